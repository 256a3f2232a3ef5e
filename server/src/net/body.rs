//! Request and response bodies that report their progress to the connection's [`Pace`].

use super::pace::Pace;
use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A request's body with a time limit.
#[derive(Debug)]
pub(super) struct Received {
    inner: Incoming,
    pace: Arc<Pace>,
    is_done: bool,
}

/// The body was received too slowly.
#[derive(Debug)]
pub(super) struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body came too slowly")
    }
}

impl std::error::Error for TooSlow {}

impl Received {
    pub(super) fn new(inner: Incoming, pace: Arc<Pace>) -> Self {
        Self { is_done: inner.is_end_stream(), inner, pace }
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { inner, pace, is_done } = &mut *self;
        let frame = match Pin::new(&mut *inner).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending if pace.body_waits(cx.waker()) => return Poll::Ready(Some(Err(axum::Error::new(TooSlow)))),
            Poll::Pending => return Poll::Pending,
        };
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        pace.body_received(bytes);
        *is_done = frame.is_none() || inner.is_end_stream();
        Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if !self.is_done {
            self.pace.body_left_unread();
        }
    }
}

/// A response's body. When it is dropped, the connection waits for its next request.
#[derive(Debug)]
pub(super) struct Answer {
    inner: Body,
    pace: Arc<Pace>,
}

impl Answer {
    pub(super) fn new(inner: Body, pace: Arc<Pace>) -> Self {
        Self { inner, pace }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pace.end_request();
    }
}
