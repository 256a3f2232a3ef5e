//! `GET /health/live`

/// The process answers.
pub async fn live() -> &'static str {
    "ok"
}
