//! `POST /api/v1/projects/{id}/restore`

use crate::{
    http::{extract::ProjectPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::Project;

/// Takes a deletion back; on a project that is not deleted it changes nothing.
pub async fn restore(State(state): State<AppState>, ProjectPath(id): ProjectPath) -> Result<Json<Project>, ApiError> {
    Ok(Json(state.services.restore_project(id).await?))
}
