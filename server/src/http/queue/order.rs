//! `PUT /api/v1/queue/order`

use crate::{
    http::{extract::Json, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::extract::State;
use protocol::{Queue, QueueOrder};

/// Puts waiting tasks into another order.
pub async fn order(
    State(state): State<AppState>,
    Json(order): Json<QueueOrder>,
) -> Result<axum::Json<Queue>, ApiError> {
    Ok(axum::Json(state.services.reorder_queue(order.task_ids).await?))
}
