//! The pages and their server functions, with the services in their context, and everything that is no route:
//! a file of the site, or the page that says so.

use super::{access::Session, static_files};
use crate::state::AppState;
use app::{
    SignedIn,
    page::{Content, Page},
    services::SharedServices,
};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
    response::IntoResponse,
    routing::{MethodFilter, get, on},
};
use leptos::{
    prelude::{provide_context, use_context},
    server_fn::axum::server_fn_paths,
};
use leptos_axum::ResponseOptions;

/// Adds the pages and the server functions to the router.
pub fn routes(router: Router<AppState>) -> Router<AppState> {
    // What Leptos spawns runs on tokio; an error says that this was said before.
    _ = any_spawner::Executor::init_tokio();
    let pages = router.route("/", get(page)).route("/projects/{id}", get(page)).fallback(file_or_not_found);
    server_fn_paths().fold(pages, |router, (path, method)| match MethodFilter::try_from(method) {
        Ok(method) => router.route(path, on(method, server_function)),
        Err(_) => router,
    })
}

async fn server_function(State(state): State<AppState>, request: Request<Body>) -> impl IntoResponse {
    leptos_axum::handle_server_fns_with_context(context(&state), request).await
}

/// What the page shows is read before its first tag is made.
async fn page(State(state): State<AppState>, request: Request<Body>) -> Response<Body> {
    let content = Content::read(Page::at(request.uri().path()), state.services.as_ref()).await;
    let (context, options) = (context(&state), state.leptos_options.clone());
    let is_signed_in = request.extensions().get::<Session>().is_some();
    let with_content = move || {
        context();
        if is_signed_in {
            provide_context(SignedIn);
        }
        provide_context(content.clone());
    };
    leptos_axum::render_app_async_with_context(with_content, move || app::shell(options.clone()))(request).await
}

fn context(state: &AppState) -> impl Fn() + Clone + Send + Sync + use<> {
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
    match static_files::find(&state.leptos_options.site_root, &uri, &headers).await {
        Some(file) => file,
        None => page(State(state), request).await,
    }
}
