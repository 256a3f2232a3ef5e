//! HTTP: the router, and one file a verb under one folder a resource.

mod body_limit;
mod extract;
pub mod guard;
mod health;
mod page;
pub mod problem;
mod projects;
mod static_files;

use crate::{state::AppState, ws};
use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    routing::{any, get, post},
};
use guard::Origins;
use std::sync::Arc;
use tower_http::{
    catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer, trace::TraceLayer,
};

/// The largest request body, bytes: forms and JSON of this much text are far past any sensible prompt.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Every route of the server.
pub fn router(state: AppState, origins: Origins) -> Router {
    let api = Router::new()
        .route("/projects", get(projects::list::list).post(projects::create::create))
        .route(
            "/projects/{id}",
            get(projects::read::read).patch(projects::update::update).delete(projects::delete::delete),
        )
        .route("/projects/{id}/restore", post(projects::restore::restore))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method);
    let router = Router::new()
        .nest("/api/v1", api)
        .route("/health/live", get(health::live::live))
        .route("/health/ready", get(health::ready::ready))
        .route("/ws", any(ws::connect));
    page::routes(router, &state)
        .with_state(state)
        .layer(middleware::from_fn_with_state(Arc::new(origins), guard::check))
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(MAX_BODY_BYTES, body_limit::check))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(TraceLayer::new_for_http())
}
