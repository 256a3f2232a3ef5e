//! `GET` and `POST /sign-in`

use super::{
    Access, Session,
    gate::Attempt,
    page,
    session::{forget_cookie, set_cookie},
};
use crate::http::client::Client;
use axum::{
    Extension, Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use protocol::url_path;
use serde::Deserialize;
use std::sync::Arc;

/// The path to go to after signing in.
#[derive(Debug, Default, Deserialize)]
pub struct Target {
    #[serde(default)]
    to: String,
}

/// The form's fields.
#[derive(Deserialize)]
pub struct Typed {
    password: String,
    #[serde(default)]
    to: String,
}

/// The form, or a page to sign out if the client is signed in.
pub async fn form(session: Option<Extension<Session>>, target: Result<Query<Target>, QueryRejection>) -> Response {
    let to = target.map(|Query(Target { to })| to).unwrap_or_default();
    match session {
        Some(_) => page::signed_in(),
        None => page::form(StatusCode::OK, local(&to), None),
    }
}

/// Signs in: 303 to the requested page, with the session's cookie.
pub async fn create(
    State(access): State<Arc<Access>>,
    client: Option<Extension<Client>>,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let Ok(Form(Typed { password, to })) = typed else {
        return page::form(StatusCode::UNPROCESSABLE_ENTITY, "/", Some("Type the password."));
    };
    let to = local(&to);
    let client = client.map(|Extension(client)| client).unwrap_or_default();
    let credentials = Arc::clone(&access.credentials);
    match access.gate.attempt(client, move || credentials.is_password(&password)).await {
        Attempt::Right => {
            let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
            let is_secure = origin.starts_with("https://");
            match access.sessions.create().await {
                Ok(key) => {
                    let cookie = set_cookie(&key, is_secure);
                    ([(header::SET_COOKIE, cookie)], Redirect::to(&url_path(to))).into_response()
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a session cannot be stored");
                    away(to)
                }
            }
        }
        Attempt::Wrong => {
            if let Some(left_out) = access.log.pass() {
                tracing::warn!(%client, left_out, "a wrong password was tried");
            }
            page::form(StatusCode::UNAUTHORIZED, to, Some("That is not the password."))
        }
        Attempt::Away => away(to),
        Attempt::Crowded => {
            let words = "Too many are signing in at this moment. Wait a little, then try again.";
            super::with_retry_after(page::form(StatusCode::TOO_MANY_REQUESTS, to, Some(words)))
        }
    }
}

/// The form while the database does not answer.
fn away(to: &str) -> Response {
    let words = "The server's database cannot be reached. Wait a little, then try again.";
    super::with_retry_after(page::form(StatusCode::SERVICE_UNAVAILABLE, to, Some(words)))
}

/// Redirects to the form and removes the cookie.
pub(super) fn signed_out() -> Response {
    ([(header::SET_COOKIE, forget_cookie())], Redirect::to(&url_path(super::SIGN_IN))).into_response()
}

/// The path if it is one on this server, else `/`: against `//evil.example`, `https:...` and line breaks.
fn local(to: &str) -> &str {
    let printable = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if to.starts_with('/') && !to.starts_with("//") && printable { to } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_paths_of_this_server_are_gone_to() {
        assert_eq!(local("/projects/1?x=2"), "/projects/1?x=2");
        for foreign in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: b", "x"] {
            assert_eq!(local(foreign), "/", "{foreign:?}");
        }
    }
}
