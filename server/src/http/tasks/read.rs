//! `GET /api/v1/tasks/{id}`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Task, TaskId};

/// One task.
pub async fn read(State(state): State<AppState>, IdPath(id): IdPath<TaskId>) -> Result<Json<Task>, ApiError> {
    Ok(Json(state.services.task(id).await?))
}
