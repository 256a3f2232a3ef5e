//! A TCP connection that reports received and sent bytes to its [`Pace`].

use super::{pace::Pace, registry::Place};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// How much of an unread body is drained after the response. Closing at once would reset the connection, and the client would
/// see that instead of the response.
const DRAINED_BYTES: usize = 16 << 20;

/// The connection's socket. It holds the connection's place in the registry until the socket is closed.
#[derive(Debug)]
pub(super) struct Stream {
    inner: TcpStream,
    pace: Arc<Pace>,
    closing: Option<usize>,
    _place: Place,
}

impl Stream {
    pub(super) fn new(inner: TcpStream, pace: Arc<Pace>, place: Place) -> Self {
        Self { inner, pace, closing: None, _place: place }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => self.pace.sending_waits(),
            Poll::Ready(Ok(bytes)) => self.pace.sent(*bytes),
            Poll::Ready(Err(_)) => {}
        }
        result
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.received();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, pace, closing, .. } = &mut *self;
        let taken = match closing {
            Some(taken) => taken,
            None => {
                ready!(Pin::new(&mut *inner).poll_shutdown(cx))?;
                if !pace.begin_closing() {
                    return Poll::Ready(Ok(()));
                }
                closing.insert(0)
            }
        };
        let mut scratch = [0; 4096];
        while *taken < DRAINED_BYTES {
            let mut buffer = ReadBuf::new(&mut scratch);
            // Errors do not matter: the response has been sent.
            let read = ready!(Pin::new(&mut *inner).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            *taken += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}
