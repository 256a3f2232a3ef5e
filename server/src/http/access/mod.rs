//! Access control: with a password or a token set, every request needs a session's cookie or the token. Exceptions are
//! `/health` for supervisors, the sign-in page and its files.

mod credentials;
mod gate;
mod page;
mod session;
mod sign_in;
mod sign_out;

pub use credentials::{Credentials, Secret};
pub use session::Session;

use super::{client::Client, log_limit::LogLimit};
use crate::problem::ApiError;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gate::{Attempt, Gate};
use protocol::{Problem, url_path};
use session::Sessions;
use std::{sync::Arc, time::Duration};

/// The sign-in page.
const SIGN_IN: &str = "/sign-in";

/// Address of the sign-out form.
const SIGN_OUT: &str = "/sign-out";

/// Files that the sign-in page uses.
const OPEN_FILES: [&str; 3] = ["/pkg/emberline.css", "/favicon.ico", "/favicon.svg"];

/// Paths for programs: without a session they answer with a problem, not with the sign-in form.
const FOR_PROGRAMS: [&str; 6] = ["/api/", "/ws", "/media/", "/metrics", "/fn/", "/pkg/"];

/// Maximum number of failed attempts that are logged in ten seconds, each with its address.
const LOGGED: u32 = 20;
const LOGGED_IN: Duration = Duration::from_secs(10);

/// The credentials and the sessions.
#[derive(Debug)]
pub struct Access {
    credentials: Arc<Credentials>,
    sessions: Sessions,
    gate: Gate,
    log: LogLimit,
}

impl Access {
    /// Access with these credentials and no sessions.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials: Arc::new(credentials),
            sessions: Sessions::default(),
            gate: Gate::default(),
            log: LogLimit::new(LOGGED, LOGGED_IN),
        }
    }

    fn admission(&self, headers: &HeaderMap) -> Admission {
        if let Some(session) = session::cookie(headers).and_then(|key| self.sessions.find(key)) {
            return Admission::Session(session);
        }
        match bearer(headers) {
            Some(token) if self.credentials.is_token(token) => Admission::Token,
            Some(_) => Admission::WrongToken,
            None => Admission::Nobody,
        }
    }
}

/// The token that a request carries.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// What a request is authenticated by.
enum Admission {
    Session(Session),
    Token,
    WrongToken,
    Nobody,
}

/// The sign-in page and its forms.
pub fn routes(access: Arc<Access>) -> Router {
    Router::new()
        .route(SIGN_IN, get(sign_in::form).post(sign_in::create))
        .route(SIGN_OUT, post(sign_out::create))
        .with_state(access)
}

/// Passes requests with a session or the token. Others get 401, with the sign-in form if they ask for a page. A wrong token is
/// delayed and logged like a wrong password.
pub async fn check(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = path.starts_with("/health/") || path == SIGN_IN || OPEN_FILES.contains(&path);
    match access.admission(request.headers()) {
        Admission::Session(session) => {
            request.extensions_mut().insert(session);
        }
        Admission::Token => {}
        _ if open => {}
        Admission::Nobody => return refusal(&request),
        Admission::WrongToken => {
            let client = request.extensions().get().copied().unwrap_or_default();
            return match access.wrong_token(client).await {
                Attempt::Crowded => crowded(),
                _ => refusal(&request),
            };
        }
    }
    let response = next.run(request).await;
    if open { response } else { for_one_person(response) }
}

impl Access {
    async fn wrong_token(&self, client: Client) -> Attempt {
        let outcome = self.gate.refuse_token(client).await;
        if outcome == Attempt::Wrong
            && let Some(left_out) = self.log.pass()
        {
            tracing::warn!(%client, left_out, "a wrong token was tried");
        }
        outcome
    }
}

/// Makes a response private: a shared cache must not store it.
fn for_one_person(mut response: Response) -> Response {
    let policy = response.headers().get(header::CACHE_CONTROL).and_then(|policy| policy.to_str().ok());
    let private = match policy {
        Some(policy) if policy.contains("no-store") || policy.contains("private") => return response,
        Some(policy) => match policy.strip_prefix("public") {
            Some(rest) => format!("private{rest}"),
            None => format!("private, {policy}"),
        },
        None => "no-store".to_owned(),
    };
    // Cannot fail: the policy was a header value before.
    let private = HeaderValue::from_str(&private).unwrap_or(HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::CACHE_CONTROL, private);
    response
}

fn crowded() -> Response {
    let why = "too many wrong tokens came from this address; wait a little".to_owned();
    with_retry_after(ApiError::with_status(StatusCode::TOO_MANY_REQUESTS, Problem::Conflict(why)).into_response())
}

/// Adds `Retry-After`: the time until one address's waiting attempts have been checked, seconds.
fn with_retry_after(mut response: Response) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("15"));
    response
}

fn refusal(request: &Request) -> Response {
    let path = request.uri().path();
    let for_programs = FOR_PROGRAMS.iter().any(|start| path.starts_with(start));
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Without script, forms post to `/fn` and the browser shows the response.
    let posted_form = path.starts_with("/fn/") && accepts.contains("text/html");
    let mut response = if (read && !for_programs) || posted_form {
        let to = if read { request.uri().path_and_query().map_or("/", |to| to.as_str()) } else { "/" };
        page::form(StatusCode::UNAUTHORIZED, to, None)
    } else {
        let page = url_path(SIGN_IN);
        let why = format!("sign in at {page}, or send the token in the header Authorization: Bearer");
        ApiError::with_status(StatusCode::UNAUTHORIZED, Problem::Conflict(why)).into_response()
    };
    let challenge = HeaderValue::from_static("Bearer realm=\"Emberline\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
