//! `POST /api/v1/queue/pause`

use crate::{http::problem::ApiError, state::AppState};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::Queue;

/// Keeps waiting tasks waiting; running ones go on.
pub async fn pause(State(state): State<AppState>) -> Result<Json<Queue>, ApiError> {
    Ok(Json(state.services.pause_queue(true).await?))
}
