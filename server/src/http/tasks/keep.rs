//! `POST /api/v1/tasks/{id}/keep`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Task, TaskId};

/// Ends a running task with the estimate that it has; 409 for any other.
pub async fn keep(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.keep_task(id).await?))
}
