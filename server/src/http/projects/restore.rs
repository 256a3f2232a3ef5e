//! `POST /api/v1/projects/{id}/restore`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Project, ProjectId};

/// Takes a deletion back; on a project that is not deleted it changes nothing.
pub async fn restore(State(state): State<AppState>, IdPath(id): IdPath<ProjectId>) -> Result<Json<Project>, ApiError> {
    Ok(Json(state.services.restore_project(id).await?))
}
