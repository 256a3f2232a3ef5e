//! The page: Leptos' routes and server functions with the services in their context, and everything that
//! is no route: a file of the site, or the page that says so.

use super::static_files;
use crate::state::AppState;
use app::services::SharedServices;
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
    response::IntoResponse,
};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{LeptosRoutes, ResponseOptions};

/// Adds the pages and the server functions to the router.
pub fn routes(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    let listing = leptos_axum::generate_route_list(app::page);
    let options = state.leptos_options.clone();
    router
        .leptos_routes_with_context(state, listing, context(state), move || app::shell(options.clone()))
        .fallback(file_or_not_found)
}

fn context(state: &AppState) -> impl Fn() + Clone + Send + Sync + 'static {
    let services: SharedServices = state.services.clone();
    move || {
        provide_context(services.clone());
        secure();
    }
}

/// Headers that every page carries. The nonce is this response's own: scripts without it do not run.
fn secure() {
    let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), leptos::nonce::use_nonce()) else {
        return;
    };
    let policy = format!(
        "default-src 'self'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; style-src 'self' \
         'nonce-{nonce}'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
    // The page shows the state of this moment: a copy from the browser's cache would show an older one.
    response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

async fn file_or_not_found(State(state): State<AppState>, request: Request<Body>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    // Copies: a reference to the request, whose body is not `Sync`, must not live across the wait.
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    if let Some(file) = static_files::find(&state.leptos_options.site_root, &uri, &headers).await {
        return file;
    }
    let options = state.leptos_options.clone();
    let render = leptos_axum::render_app_async_with_context(context(&state), move || app::shell(options.clone()));
    let mut response = render(request).await;
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
}
