//! `PATCH /api/v1/projects/{id}`

use crate::{
    http::{
        extract::{IdPath, Json},
        problem::ApiError,
    },
    state::AppState,
};
use app::services::Services;
use axum::extract::State;
use protocol::{Project, ProjectId, ProjectPatch};

/// Changes the fields that the body names.
pub async fn update(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    Json(patch): Json<ProjectPatch>,
) -> Result<axum::Json<Project>, ApiError> {
    Ok(axum::Json(state.services.update_project(id, patch).await?))
}
