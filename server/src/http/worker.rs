//! What a worker answers on `--metrics-listen`: metrics and health, for supervisors and Prometheus.

use super::{
    guard::{self, Origins},
    metrics,
};
use crate::problem::ApiError;
use anyhow::Result;
use axum::{
    Router,
    extract::State,
    http::header,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use engine::Engine;
use protocol::Problem;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::Store;
use tokio::time::timeout;

/// The database answers a worker that is ready within this time.
const NOT_READY: Duration = Duration::from_secs(2);

/// The routes of a worker that listens on `address`. No other path is there.
///
/// # Errors
/// None with these names.
pub fn worker_router(store: Store, engine: Engine, address: SocketAddr) -> Result<Router> {
    let origins = Arc::new(Origins::new(&[], &[])?.with_own(address));
    let routes = Router::new()
        .route("/metrics", get(get_metrics))
        .route("/health/live", get(async || "ok"))
        .route("/health/ready", get(ready))
        .with_state((store, engine));
    Ok(routes.layer(middleware::from_fn_with_state(origins, guard::check)))
}

async fn get_metrics(State((store, engine)): State<(Store, Engine)>) -> Result<Response, ApiError> {
    let mut response = metrics::of_worker(&store, &engine).await?.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// 503 if the database does not answer.
async fn ready(State((store, _)): State<(Store, Engine)>) -> Result<&'static str, ApiError> {
    let answers = matches!(timeout(NOT_READY, store.ping()).await, Ok(Ok(())));
    answers.then_some("ok").ok_or_else(|| Problem::Unavailable("the database does not answer".to_owned()).into())
}
