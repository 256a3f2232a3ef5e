//! `GET /api/v1/projects/{id}/frames`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Frame, ProjectId};

/// A project's frames in their order.
pub async fn list(State(state): State<AppState>, IdPath(id): IdPath<ProjectId>) -> Result<Json<Vec<Frame>>, ApiError> {
    Ok(Json(state.services.frames(id).await?))
}
