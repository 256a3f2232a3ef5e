//! `POST /sign-out`

use super::{Access, session, sign_in};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Ends the session and its sockets. 503 if that cannot be recorded: the session goes on.
pub async fn create(State(access): State<Arc<Access>>, headers: HeaderMap) -> Response {
    if let Some(key) = session::cookie(&headers)
        && let Err(error) = access.sessions.end(key).await
    {
        return access.away(&error).into_response();
    }
    sign_in::signed_out()
}
