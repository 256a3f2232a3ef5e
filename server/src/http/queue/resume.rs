//! `POST /api/v1/queue/resume`

use crate::{http::problem::ApiError, state::AppState};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::Queue;

/// Lets waiting tasks run again.
pub async fn resume(State(state): State<AppState>) -> Result<Json<Queue>, ApiError> {
    Ok(Json(state.services.pause_queue(false).await?))
}
