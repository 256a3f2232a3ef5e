//! `DELETE /api/v1/projects/{id}`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{extract::State, http::StatusCode};
use protocol::ProjectId;

/// Deletes a project softly: 204; `POST .../restore` takes it back for thirty days.
pub async fn delete(State(state): State<AppState>, IdPath(id): IdPath<ProjectId>) -> Result<StatusCode, ApiError> {
    state.services.delete_project(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
