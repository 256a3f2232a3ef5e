//! `PATCH /api/v1/projects/{id}`

use crate::{
    http::{
        extract::{Json, ProjectPath},
        problem::ApiError,
    },
    state::AppState,
};
use app::services::Services;
use axum::extract::State;
use protocol::{Project, ProjectPatch};

/// Changes the fields that the body names.
pub async fn update(
    State(state): State<AppState>,
    ProjectPath(id): ProjectPath,
    Json(patch): Json<ProjectPatch>,
) -> Result<axum::Json<Project>, ApiError> {
    Ok(axum::Json(state.services.update_project(id, patch).await?))
}
