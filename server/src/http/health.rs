//! `/health`: for supervisors and load balancers.

use super::openapi::{About, Api};
use crate::away;
use crate::problem::ApiError;
use crate::state::AppState;
use axum::extract::State;
use protocol::Problem;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("server", summary).answers(&["text/plain"]);
    api.get("/health/live", live, about("Answers while the process is alive.")).get(
        "/health/ready",
        ready,
        about("Answers 200 while the database answers and the server is not stopping."),
    )
}

async fn live() -> &'static str {
    "ok"
}

/// 503 if the database does not answer or the server is stopping.
async fn ready(State(state): State<AppState>) -> Result<&'static str, ApiError> {
    if state.stopping.is_cancelled() {
        return Err(Problem::Unavailable("the server is stopping".to_owned()).into());
    }
    away::check(&state, away::NOT_READY)?;
    state.store.ping().await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "the database does not answer");
        Problem::Unavailable("the database does not answer".to_owned())
    })?;
    Ok("ok")
}
