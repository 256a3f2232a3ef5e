//! Access control: with a password or a token set, every request needs a session's cookie or the token.
//! What stays open is what a supervisor asks (`/health`) and what the sign-in page is made of.

mod credentials;
mod gate;
mod page;
mod session;
mod sign_in;
mod sign_out;

pub use credentials::{Credentials, Secret};
pub use session::Session;

use super::problem::ApiError;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gate::Gate;
use protocol::Problem;
use session::Sessions;
use std::sync::Arc;

/// The sign-in page.
const SIGN_IN: &str = "/sign-in";

/// Files that the sign-in page shows itself with.
const OPEN_FILES: [&str; 3] = ["/pkg/emberline.css", "/favicon.ico", "/favicon.svg"];

/// Where no page is: who is not signed in gets a problem, not a form.
const FOR_PROGRAMS: [&str; 6] = ["/api/", "/ws", "/media/", "/metrics", "/fn/", "/pkg/"];

/// Who may use this server, and who is signed in.
#[derive(Debug)]
pub struct Access {
    credentials: Arc<Credentials>,
    sessions: Sessions,
    gate: Gate,
}

impl Access {
    /// Nobody is signed in.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials: Arc::new(credentials), sessions: Sessions::default(), gate: Gate::default() }
    }

    fn admitted(&self, headers: &HeaderMap) -> Option<Admitted> {
        if let Some(session) = session::cookie(headers).and_then(|key| self.sessions.find(key)) {
            return Some(Admitted::Session(session));
        }
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") && self.credentials.is_token(token.trim());
        known.then_some(Admitted::Token)
    }
}

/// By what a request was let in.
enum Admitted {
    Session(Session),
    Token,
}

/// The sign-in page and its forms.
pub fn routes(access: Arc<Access>) -> Router {
    Router::new()
        .route(SIGN_IN, get(sign_in::form).post(sign_in::create))
        .route("/sign-out", post(sign_out::create))
        .with_state(access)
}

/// Lets in who is signed in or has the token; 401 to all others, as a form where a page was asked for.
pub async fn check(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = path.starts_with("/health/") || path == SIGN_IN || OPEN_FILES.contains(&path);
    match access.admitted(request.headers()) {
        Some(Admitted::Session(session)) => {
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        Some(Admitted::Token) => next.run(request).await,
        None if open => next.run(request).await,
        None => refusal(&request),
    }
}

fn refusal(request: &Request) -> Response {
    let path = request.uri().path();
    let for_programs = FOR_PROGRAMS.iter().any(|start| path.starts_with(start));
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A form of a page without script posts to `/fn`, and its answer is shown.
    let posted_form = path.starts_with("/fn/") && accepts.contains("text/html");
    let mut response = if (read && !for_programs) || posted_form {
        let to = if read { request.uri().path_and_query().map_or("/", |to| to.as_str()) } else { "/" };
        page::form(StatusCode::UNAUTHORIZED, to, None)
    } else {
        let why = "sign in at /sign-in, or send the token in the header Authorization: Bearer".to_owned();
        ApiError::with_status(StatusCode::UNAUTHORIZED, Problem::Conflict(why)).into_response()
    };
    let challenge = HeaderValue::from_static("Bearer realm=\"Emberline\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
