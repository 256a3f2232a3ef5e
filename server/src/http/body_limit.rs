//! Limits the size of request bodies, in a way that the client receives the error.

use crate::problem::ApiError;
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use protocol::Problem;
use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

/// How much of a body that is too large is drained, bytes: twice the largest picture. If the server closes while the client is
/// sending, the client sees a reset connection instead of the response.
const DRAINED_BYTES: usize = 128 * 1024 * 1024;

/// Middleware that answers 413 to a body with more than `most` bytes, by its `Content-Length` or while it is read.
pub async fn check(State(most): State<usize>, request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: Option<usize> = length.and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(length) = length.filter(|length| *length > most) {
        // With `Expect: 100-continue` the client has not started to send.
        if !request.headers().contains_key(header::EXPECT) {
            drain(request.into_body()).await;
        }
        return too_large(&format!("the body is {length} bytes long; at most {most} are taken"));
    }
    let is_cut = Arc::new(AtomicBool::new(false));
    let request = request.map(|inner| Body::new(Limited { inner, left: most, is_cut: Arc::clone(&is_cut) }));
    let response = next.run(request).await;
    // Replaces the handler's response to the incomplete body.
    match is_cut.load(Ordering::Relaxed) {
        true => too_large(&format!("the body is longer than {most} bytes; more are not taken")),
        false => response,
    }
}

fn too_large(why: &str) -> Response {
    ApiError::with_status(StatusCode::PAYLOAD_TOO_LARGE, Problem::Conflict(why.to_owned())).into_response()
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

/// A body that fails once it is too long.
struct Limited {
    inner: Body,
    left: usize,
    is_cut: Arc<AtomicBool>,
}

#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body is too long")
    }
}

impl std::error::Error for TooLong {}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        let Some(left) = self.left.checked_sub(bytes) else {
            self.is_cut.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(axum::Error::new(TooLong))));
        };
        self.left = left;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
