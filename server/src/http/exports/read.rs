//! `GET /api/v1/exports/{id}`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Export, ExportId};

/// One export: how far it is, and where its file is.
pub async fn read(State(state): State<AppState>, IdPath(id): IdPath<ExportId>) -> Result<Json<Export>, ApiError> {
    Ok(Json(state.services.export(id).await?))
}
