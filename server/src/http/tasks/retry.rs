//! `POST /api/v1/tasks/{id}/retry`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Task, TaskId};

/// Queues a failed or cancelled task again, with the same seed; 409 for any other.
pub async fn retry(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.retry_task(id).await?))
}
