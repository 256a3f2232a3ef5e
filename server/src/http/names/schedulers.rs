//! `GET /api/v1/schedulers`

use axum::Json;

/// Noise schedules, by ComfyUI's names, and `leading`.
pub async fn schedulers() -> Json<Vec<&'static str>> {
    Json(protocol::generation::SCHEDULERS.to_vec())
}
