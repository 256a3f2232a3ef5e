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
use anyhow::{Context, Result};
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
use session::{Sessions, Shared};
use std::{sync::Arc, time::Duration};
use store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

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

/// Name of the stored setting: the salt of the name of password and token.
const SALT: &str = "access_salt";

/// How often it is looked for sessions that were ended on another server.
const LOOK: Duration = Duration::from_secs(1);

/// Looks after which old attempts are forgotten.
const FORGET_EVERY: u32 = 60;

/// The credentials and the sessions.
#[derive(Debug)]
pub struct Access {
    credentials: Arc<Credentials>,
    sessions: Sessions,
    gate: Gate,
    log: LogLimit,
}

impl Access {
    /// Access with these credentials. Servers that share the database share their sessions and the limits of attempts.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn open(mut credentials: Credentials, store: &Store) -> Result<Self> {
        let typed = credentials.take_typed();
        let shared = match store.sessions() {
            Some(all) => {
                let salt = credentials::hex(&rand::random::<[u8; 16]>());
                let salt = store.setting_or(SALT, &salt).await.context("cannot read the settings")?;
                Some(Shared { all, access: credentials.name(typed, &salt)? })
            }
            None => None,
        };
        let gate = Gate::new(shared.as_ref().map(|shared| shared.all.clone()));
        let (credentials, sessions) = (Arc::new(credentials), Sessions::new(shared));
        Ok(Self { credentials, sessions, gate, log: LogLimit::new(LOGGED, LOGGED_IN) })
    }

    /// Ends sessions that were ended on another server, until the server stops.
    pub async fn follow_others(self: Arc<Self>, store: Store, stopping: CancellationToken) {
        let Some(all) = store.sessions() else { return };
        for look in 1_u32.. {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stopping.cancelled() => return,
            }
            // While the database is away everybody stays signed in; sockets are closed anyway.
            self.sessions.follow_others().await.ok();
            if look % FORGET_EVERY == 0 {
                all.forget_turns().await.ok();
            }
        }
    }

    async fn admission(&self, headers: &HeaderMap) -> Result<Admission, StoreError> {
        if let Some(key) = session::cookie(headers)
            && let Some(session) = self.sessions.find(key).await?
        {
            return Ok(Admission::Session(session));
        }
        Ok(match bearer(headers) {
            Some(token) if self.credentials.is_token(token) => Admission::Token,
            Some(_) => Admission::WrongToken,
            None => Admission::Nobody,
        })
    }

    /// What a client gets whose session cannot be looked up.
    fn away(&self, error: &StoreError) -> ApiError {
        if let Some(left_out) = self.log.pass() {
            tracing::warn!(error = error as &dyn std::error::Error, left_out, "a session cannot be looked up");
        }
        Problem::Unavailable(AWAY.to_owned()).into()
    }
}

/// For clients, while the database does not answer.
const AWAY: &str = "the server's database cannot be reached";

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
    match access.admission(request.headers()).await {
        Ok(Admission::Session(session)) => {
            request.extensions_mut().insert(session);
        }
        Ok(Admission::Token) => {}
        _ if open => {}
        Err(error) => return access.away(&error).into_response(),
        Ok(Admission::Nobody) => return refusal(&request),
        Ok(Admission::WrongToken) => {
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
