//! `GET /api/v1/projects/{id}`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Project, ProjectId};

/// One project; 404 for one that is deleted.
pub async fn read(State(state): State<AppState>, IdPath(id): IdPath<ProjectId>) -> Result<Json<Project>, ApiError> {
    Ok(Json(state.services.project(id).await?))
}
