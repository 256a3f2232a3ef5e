//! HTTP: the router, and one file a verb under one folder a resource.

mod body_limit;
mod extract;
mod frames;
mod generations;
pub mod guard;
mod health;
mod inspect_png;
mod media;
mod models;
mod names;
mod page;
pub mod problem;
mod projects;
mod queue;
mod settings;
mod static_files;
mod takes;
mod tasks;

use crate::{state::AppState, ws};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header},
    middleware,
    routing::{any, delete, get, patch, post, put},
};
use guard::Origins;
use std::sync::Arc;
use tower_http::{
    catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, set_header::SetResponseHeaderLayer, trace::TraceLayer,
};

/// The largest request body, bytes: forms and JSON of this much text are far past any sensible prompt.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The largest picture that is taken in, bytes: a PNG of 2048 x 2048 pixels of noise is 12 MB.
const MAX_PICTURE_BYTES: usize = 32 * 1024 * 1024;

/// Every route of the server.
pub fn router(state: AppState, origins: Origins) -> Router {
    let api = Router::new()
        .route("/projects", get(projects::list::list).post(projects::create::create))
        .route(
            "/projects/{id}",
            get(projects::read::read).patch(projects::update::update).delete(projects::delete::delete),
        )
        .route("/projects/{id}/restore", post(projects::restore::restore))
        .route("/projects/{id}/frames", get(frames::list::list))
        .route("/projects/{id}/generations", post(generations::create::create))
        .route("/frames/{id}", patch(frames::update::update).delete(frames::delete::delete))
        .route("/frames/{id}/restore", post(frames::restore::restore))
        .route("/frames/{id}/takes", get(takes::list::list))
        .route("/takes/{id}", delete(takes::delete::delete))
        .route("/tasks", get(tasks::list::list))
        .route("/tasks/{id}", get(tasks::read::read))
        .route("/tasks/{id}/cancel", post(tasks::cancel::cancel))
        .route("/tasks/{id}/keep", post(tasks::keep::keep))
        .route("/tasks/{id}/retry", post(tasks::retry::retry))
        .route("/queue", get(queue::read::read))
        .route("/queue/pause", post(queue::pause::pause))
        .route("/queue/resume", post(queue::resume::resume))
        .route("/queue/order", put(queue::order::order))
        .route("/models", get(models::list::list))
        .route("/samplers", get(names::samplers::samplers))
        .route("/schedulers", get(names::schedulers::schedulers))
        .route("/settings", get(settings::read::read).patch(settings::update::update))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method);
    let router = Router::new()
        .nest("/api/v1", api)
        .route("/health/live", get(health::live::live))
        .route("/health/ready", get(health::ready::ready))
        .route("/media/{name}", get(media::read))
        .route("/ws", any(ws::connect));
    let pictures = Router::new()
        .route("/api/v1/inspect-png", post(inspect_png::create::create))
        .layer(DefaultBodyLimit::max(MAX_PICTURE_BYTES))
        .layer(middleware::from_fn_with_state(MAX_PICTURE_BYTES, body_limit::check));
    page::routes(router, &state)
        .with_state(state)
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(MAX_BODY_BYTES, body_limit::check))
        .merge(pictures)
        .layer(middleware::from_fn_with_state(Arc::new(origins), guard::check))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(TraceLayer::new_for_http())
}
