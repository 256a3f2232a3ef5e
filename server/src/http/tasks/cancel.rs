//! `POST /api/v1/tasks/{id}/cancel`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Task, TaskId};

/// Stops a queued or running task and leaves nothing of it; 409 for one that has ended.
pub async fn cancel(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.cancel_task(id).await?))
}
