//! How large a request's body may be, told so that the client hears it.

use super::problem::ApiError;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use protocol::Problem;

/// How much of a body that is too large is still taken in and thrown away. A server that answers and closes
/// while its client sends makes the client see a broken connection instead of the answer. Twice the largest picture.
const DRAINED_BYTES: usize = 128 * 1024 * 1024;

/// Answers 413 to a body that says it is longer than `most` bytes. One that does not say is cut off by the
/// layer behind this one.
pub async fn check(State(most): State<usize>, request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: Option<usize> = length.and_then(|value| value.to_str().ok()?.parse().ok());
    match length {
        Some(length) if length > most => {
            drain(request.into_body()).await;
            let why = format!("the body is {length} bytes long; at most {most} are taken");
            ApiError::with_status(StatusCode::PAYLOAD_TOO_LARGE, Problem::Conflict(why)).into_response()
        }
        _ => next.run(request).await,
    }
}

async fn drain(body: Body) {
    let mut taken = 0;
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        taken += piece.len();
        if taken > DRAINED_BYTES {
            return;
        }
    }
}
