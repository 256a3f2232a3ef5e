//! Bodies of answers: whole, cut in the middle, or missing.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

/// A body.
pub(crate) struct Answer {
    /// What is sent, once.
    bytes: Option<Bytes>,
    /// The length that the header names.
    length: u64,
    is_cut: bool,
}

impl Answer {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, bytes: Some(bytes), is_cut: false }
    }

    /// The first half, and then the connection is closed.
    pub(crate) fn cut(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, bytes: Some(bytes.slice(..bytes.len() / 2)), is_cut: true }
    }

    /// Nothing, and the connection is closed.
    pub(crate) fn broken() -> Self {
        Self { length: 1, bytes: None, is_cut: true }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.bytes.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if std::mem::take(&mut self.is_cut) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
