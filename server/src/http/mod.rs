//! HTTP: the router, and one file per resource.

pub mod access;
pub mod base_path;
mod body_limit;
pub mod client;
mod etag;
mod exports;
mod extract;
mod frames;
mod generations;
pub mod guard;
mod health;
mod html;
mod inspect_png;
mod library;
mod listed;
mod log_limit;
mod media;
mod metrics;
mod models;
pub mod openapi;
mod page;
mod projects;
mod queue;
mod routes;
mod settings;
mod single;
mod static_files;
mod steps;
mod strict;
mod styles;
mod takes;
mod tasks;
mod thumbnails;
mod upload;
mod worker;
mod workers;

use crate::state::AppState;
use access::Access;
use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header},
    middleware,
};
use client::TrustedProxies;
use guard::Origins;
use openapi::{Api, Document, Documented};
use std::sync::Arc;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, trace::TraceLayer};
pub use worker::worker_router;

/// Maximum size of a request body, bytes. Forms and JSON with the longest prompts stay far below it.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Maximum size of an uploaded picture, bytes: a photograph of 24 megapixels takes about 45 MB as a PNG.
const MAX_PICTURE_BYTES: usize = 64 * 1024 * 1024;

/// Maximum size of the sign-in form, bytes: a password and a return address. Other requests without a session are rejected
/// before their body is read.
const MAX_SIGN_IN_BYTES: usize = 16 * 1024;

/// Which requests are accepted.
#[derive(Debug)]
pub struct Policy {
    /// Accepted hosts and origins.
    pub origins: Origins,
    /// If set, most routes need a session or a token.
    pub access: Option<Arc<Access>>,
    /// Proxies whose forwarding headers are trusted.
    pub proxies: TrustedProxies,
}

/// The router with every route of the server. `events` adds the WebSocket's route, which is passed in so that this module does
/// not depend on `ws`, which depends on it.
pub fn router(state: AppState, policy: Policy, events: fn(Api) -> Api) -> Router {
    let Policy { origins, access, proxies } = policy;
    let api = Api::new("/api/v1", Documented::default());
    let (api, documented) = routes::api(api).into_parts();
    let (root, documented) = events(routes::root(Api::new("", documented))).into_parts();
    let (pictures, documented) = routes::pictures(Api::new("", documented)).into_parts();
    let api = api.fallback(crate::problem::no_such_route).method_not_allowed_fallback(crate::problem::no_such_method);
    let router = root.nest("/api/v1", api).layer(Extension(Document::new(documented)));
    let pictures = pictures
        .with_state(state.clone())
        .layer(DefaultBodyLimit::max(MAX_PICTURE_BYTES))
        .layer(middleware::from_fn_with_state(MAX_PICTURE_BYTES, body_limit::check));
    let signing_in = access.clone().map_or_else(Router::new, access::routes);
    let signing_in = signing_in.layer(middleware::from_fn_with_state(MAX_SIGN_IN_BYTES, body_limit::check));
    let routes = page::routes(router)
        .with_state(state)
        .layer(middleware::from_fn_with_state(MAX_BODY_BYTES, body_limit::check))
        .merge(signing_in)
        .merge(pictures);
    let guarded = match access {
        Some(access) => routes.layer(middleware::from_fn_with_state(access, access::check)),
        None => routes,
    };
    let routes = guarded
        .layer(middleware::from_fn(single::check))
        .layer(middleware::from_fn_with_state(Arc::new(origins), guard::check))
        .layer(middleware::from_fn_with_state(Arc::new(proxies), client::identify))
        // Responses without a caching rule of their own are live state.
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .layer(CatchPanicLayer::custom(crate::problem::panicked))
        .layer(TraceLayer::new_for_http());
    base_path::under(protocol::base_path(), routes)
}
