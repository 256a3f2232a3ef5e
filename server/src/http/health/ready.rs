//! `GET /health/ready`

use crate::{http::problem::ApiError, state::AppState};
use axum::extract::State;
use protocol::Problem;

/// The database answers and the server is not stopping; else 503.
pub async fn ready(State(state): State<AppState>) -> Result<&'static str, ApiError> {
    if state.stopping.is_cancelled() {
        return Err(Problem::Unavailable("the server is stopping".to_owned()).into());
    }
    state.store.ping().await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "the database does not answer");
        Problem::Unavailable("the database does not answer".to_owned())
    })?;
    Ok("ok")
}
