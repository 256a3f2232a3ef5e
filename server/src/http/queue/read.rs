//! `GET /api/v1/queue`

use crate::{http::problem::ApiError, state::AppState};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::Queue;

/// What runs, and what waits in its order.
pub async fn read(State(state): State<AppState>) -> Result<Json<Queue>, ApiError> {
    Ok(Json(state.services.queue().await?))
}
