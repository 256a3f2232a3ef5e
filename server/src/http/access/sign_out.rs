//! `POST /sign-out`

use super::{Access, session, sign_in};
use axum::{extract::State, http::HeaderMap, response::Response};
use std::sync::Arc;

/// Ends the session and its sockets.
pub async fn create(State(access): State<Arc<Access>>, headers: HeaderMap) -> Response {
    if let Some(key) = session::cookie(&headers) {
        access.sessions.end(key);
    }
    sign_in::signed_out()
}
