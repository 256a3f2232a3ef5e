//! Header fields that a request has at most once.

use crate::problem::ApiError;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use protocol::Problem;

/// Fields with a single value. Two of them can mean different things to a proxy and to this server (RFC 9110, section 5.3),
/// and the first of two keys would hide the second.
static SINGLE: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::IF_RANGE,
    header::RANGE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    HeaderName::from_static("idempotency-key"),
];

/// Answers 400 to a request that has such a field more than once. Equal values are refused too: nobody sends them on purpose.
pub async fn check(request: Request, next: Next) -> Response {
    match repeated(request.headers()) {
        Some((name, count)) => {
            let why = format!("is in the request {count} times; it is allowed once");
            ApiError::with_status(StatusCode::BAD_REQUEST, Problem::invalid(shown(name), why)).into_response()
        }
        None => next.run(request).await,
    }
}

fn repeated(headers: &HeaderMap) -> Option<(&'static HeaderName, usize)> {
    let counts = SINGLE.iter().map(|name| (name, headers.get_all(name).iter().count()));
    counts.into_iter().find(|(_, count)| *count > 1)
}

/// `Idempotency-Key`: a name as people write it.
fn shown(name: &HeaderName) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.as_str().split('-').map(word).collect::<Vec<_>>().join("-")
}
