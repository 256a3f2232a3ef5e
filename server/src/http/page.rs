//! The pages and their server functions, with the services in their context, and everything that is no route:
//! a file of the site, or the page that says so.

use super::{access::Session, static_files};
use crate::state::AppState;
use app::{
    SignedIn,
    error::{AppError, status},
    page::{Content, Page},
    services::SharedServices,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
    response::IntoResponse,
    routing::{MethodFilter, get, on},
};
use leptos::{
    prelude::{provide_context, use_context},
    server_fn::{
        axum::server_fn_paths,
        error::{FromServerFnError, SERVER_FN_ERROR_HEADER as ERROR_HEADER},
    },
};
use leptos_axum::ResponseOptions;
use protocol::Problem;

/// The most that an error takes: a refused form comes back with what was typed.
const MAX_ERROR_BYTES: usize = 4 << 20;

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

/// Runs a server function. Leptos answers 500 to arguments that it cannot read, which is a fault of the request's: such an
/// answer gets the status of the problem in it.
async fn server_function(State(state): State<AppState>, request: Request<Body>) -> Response<Body> {
    let request = match with_text(request).await {
        Ok(request) => request,
        Err(problem) => return refusal(problem),
    };
    let response = leptos_axum::handle_server_fns_with_context(context(&state), request).await.into_response();
    if response.status() != StatusCode::INTERNAL_SERVER_ERROR || !response.headers().contains_key(ERROR_HEADER) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_ERROR_BYTES).await else { return refusal(Problem::Internal) };
    if let Ok(status) = StatusCode::from_u16(status(&AppError::de(bytes.clone()).problem)) {
        parts.status = status;
    }
    Response::from_parts(parts, bytes.into())
}

/// The request with its body read, if that is text. How long it may be is checked outside.
async fn with_text(request: Request<Body>) -> Result<Request<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await;
    let bytes = bytes.map_err(|error| Problem::invalid("request", format!("cannot be read: {error}")))?;
    match std::str::from_utf8(&bytes) {
        Ok(_) => Ok(Request::from_parts(parts, bytes.into())),
        Err(_) => Err(Problem::invalid("request", "must be UTF-8")),
    }
}

/// An error as a server function's caller reads it.
fn refusal(problem: Problem) -> Response<Body> {
    let status = StatusCode::from_u16(status(&problem)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], AppError::from(problem).ser()).into_response()
}

/// What the page shows is read before its first tag is made.
async fn page(State(state): State<AppState>, request: Request<Body>) -> Response<Body> {
    let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let after = query.into_owned().find(|(name, _)| name == "after").map(|(_, place)| place);
    let content = Content::read(Page::at(request.uri().path()), after, state.services.as_ref()).await;
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
