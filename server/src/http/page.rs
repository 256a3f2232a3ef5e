//! The pages and their server functions, with the services in their Leptos context. The fallback serves the site's files, or the
//! page for "not found".

use super::{access::Session, static_files};
use crate::state::AppState;
use app::{
    SignedIn,
    error::{AppError, status},
    page::{Content, Page},
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
use studio::SharedServices;

/// Maximum size of an error, bytes: a rejected form is returned with the values that were entered.
const MAX_ERROR_BYTES: usize = 4 << 20;

/// Adds the pages and the server functions to the router.
pub fn routes(router: Router<AppState>) -> Router<AppState> {
    // Leptos spawns its tasks on tokio. An error means that this is set already.
    _ = any_spawner::Executor::init_tokio();
    let pages = router
        .route("/", get(page))
        .route("/library", get(page))
        .route("/workers", get(page))
        .route("/bin", get(page))
        .route("/projects/{id}", get(page))
        .fallback(file_or_not_found);
    server_fn_paths().fold(pages, |router, (path, method)| match MethodFilter::try_from(method) {
        Ok(method) => router.route(path, on(method, server_function)),
        Err(_) => router,
    })
}

/// Runs a server function. Leptos answers 500 for arguments that it cannot parse; such a response gets the status of the problem
/// in it.
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

/// Reads the body, which must be UTF-8. Its size is limited by the middleware.
async fn with_text(request: Request<Body>) -> Result<Request<Body>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await;
    let bytes = bytes.map_err(|error| Problem::invalid("request", format!("cannot be read: {error}")))?;
    match std::str::from_utf8(&bytes) {
        Ok(_) => Ok(Request::from_parts(parts, bytes.into())),
        Err(_) => Err(Problem::invalid("request", "must be UTF-8")),
    }
}

/// An error response in the format of server functions.
fn refusal(problem: Problem) -> Response<Body> {
    let status = StatusCode::from_u16(status(&problem)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], AppError::from(problem).ser()).into_response()
}

/// Renders a page. Its content is read before rendering starts.
async fn page(State(state): State<AppState>, request: Request<Body>) -> Response<Body> {
    let uri = request.uri();
    let content = Content::read(Page::at(uri.path()), uri.query().unwrap_or_default(), state.services.as_ref()).await;
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

/// Sets the headers of every page. The nonce is new for each response, and scripts without it do not run.
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
    // The page shows the current state, so the browser must not show a cached copy.
    response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

async fn file_or_not_found(State(state): State<AppState>, request: Request<Body>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    // Cloned, because a reference to the request must not live across the await: its body is not `Sync`.
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    match static_files::find(&state.leptos_options.site_root, &uri, &headers).await {
        Some(file) => file,
        None => page(State(state), request).await,
    }
}
