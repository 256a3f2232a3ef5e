//! `DELETE /api/v1/exports/{id}`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{extract::State, http::StatusCode};
use protocol::ExportId;

/// Stops it if it runs, and removes its file.
pub async fn delete(State(state): State<AppState>, IdPath(id): IdPath<ExportId>) -> Result<StatusCode, ApiError> {
    state.services.delete_export(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
