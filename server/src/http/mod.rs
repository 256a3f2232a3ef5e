//! HTTP: the router, and one file a verb under one folder a resource.

pub mod access;
pub mod base_path;
mod body_limit;
pub mod client;
mod exports;
mod extract;
mod frames;
mod generations;
pub mod guard;
mod health;
mod html;
mod inspect_png;
mod listed;
mod log_limit;
mod media;
mod metrics;
mod models;
mod names;
mod openapi;
mod page;
pub mod problem;
mod projects;
mod queue;
mod routes;
mod settings;
mod static_files;
mod strict;
mod takes;
mod tasks;
mod upload;

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

/// The largest request body, bytes: forms and JSON of this much text are far past any sensible prompt.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The largest picture that is taken in, bytes: a photograph of 24 megapixels takes some 45 MB as a PNG.
const MAX_PICTURE_BYTES: usize = 64 * 1024 * 1024;

/// The largest body of who is not signed in yet, bytes: a password and an address. Everyone else is refused before their body
/// is read.
const MAX_SIGN_IN_BYTES: usize = 16 * 1024;

/// Who may ask, and how they reach the server.
#[derive(Debug)]
pub struct Policy {
    /// The hosts and origins that are this server's.
    pub origins: Origins,
    /// With it, most routes need a session or a token.
    pub access: Option<Arc<Access>>,
    /// The proxies that say whom a request comes from.
    pub proxies: TrustedProxies,
}

/// Every route of the server.
pub fn router(state: AppState, policy: Policy) -> Router {
    let Policy { origins, access, proxies } = policy;
    let api = Api::new("/api/v1", Documented::default());
    let (api, documented) = routes::server(routes::work(routes::files(routes::studio(api)))).into_parts();
    let (root, documented) = routes::root(Api::new("", documented)).into_parts();
    let (pictures, documented) = routes::pictures(Api::new("", documented)).into_parts();
    let api = api.fallback(problem::no_such_route).method_not_allowed_fallback(problem::no_such_method);
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
        .layer(middleware::from_fn_with_state(Arc::new(origins), guard::check))
        .layer(middleware::from_fn_with_state(Arc::new(proxies), client::identify))
        // What says nothing of caching is the state of this moment.
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(header::REFERRER_POLICY, HeaderValue::from_static("same-origin")))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(TraceLayer::new_for_http());
    base_path::under(protocol::base_path(), routes)
}
