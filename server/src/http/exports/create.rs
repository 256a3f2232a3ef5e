//! `POST /api/v1/projects/{id}/exports`

use crate::{
    http::{
        extract::{IdPath, Json},
        problem::ApiError,
    },
    state::AppState,
};
use app::services::Services;
use axum::{extract::State, http::StatusCode};
use protocol::{Export, NewExport, ProjectId};

/// Begins an export; how far it is is asked at its own address.
pub async fn create(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    Json(new): Json<NewExport>,
) -> Result<(StatusCode, axum::Json<Export>), ApiError> {
    Ok((StatusCode::ACCEPTED, axum::Json(state.services.create_export(id, new.format).await?)))
}
