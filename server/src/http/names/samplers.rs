//! `GET /api/v1/samplers`

use axum::Json;

/// Sampling methods, by ComfyUI's names.
pub async fn samplers() -> Json<Vec<&'static str>> {
    Json(protocol::generation::SAMPLERS.to_vec())
}
