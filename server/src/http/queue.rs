//! `/api/v1/queue`

use super::{
    extract::Json,
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::extract::State;
use protocol::{Queue, QueueOrder};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("queue", summary);
    api.get("/queue", get_queue, about("Returns the queue: running tasks, then queued ones in their order."))
        .post("/queue/pause", pause_queue, about("Pauses the queue. Running tasks continue."))
        .post("/queue/resume", resume_queue, about("Resumes the queue."))
        .put("/queue/order", reorder_queue, about("Changes the order of queued tasks.").fails(&[404, 409]))
}

async fn get_queue(State(state): State<AppState>) -> Result<axum::Json<Queue>, ApiError> {
    Ok(axum::Json(state.services.get_queue().await?))
}

async fn pause_queue(State(state): State<AppState>) -> Result<axum::Json<Queue>, ApiError> {
    Ok(axum::Json(state.services.pause_queue().await?))
}

async fn resume_queue(State(state): State<AppState>) -> Result<axum::Json<Queue>, ApiError> {
    Ok(axum::Json(state.services.resume_queue().await?))
}

async fn reorder_queue(
    State(state): State<AppState>,
    Json(order): Json<QueueOrder>,
) -> Result<axum::Json<Queue>, ApiError> {
    Ok(axum::Json(state.services.reorder_queue(order.task_ids).await?))
}
