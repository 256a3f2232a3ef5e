//! Extractors for a picture as the request's body.

use super::MAX_PICTURE_BYTES;
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use futures::StreamExt;
use local_studio::Share;
use protocol::Problem;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The bytes of a picture's file. Empty without a body; an empty body that is declared as a picture is rejected.
#[derive(Debug)]
pub struct Picture(Upload);

/// The bytes of a picture's file, which is required.
#[derive(Debug)]
pub struct PictureFile(Upload);

/// A body, with its share of the memory budget for uploads.
#[derive(Debug)]
struct Upload {
    file: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Picture {
    fn as_ref(&self) -> &[u8] {
        &self.0.file
    }
}

impl AsRef<[u8]> for PictureFile {
    fn as_ref(&self) -> &[u8] {
        &self.0.file
    }
}

impl FromRequest<AppState> for Picture {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let is_file = content_type.is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"image/"));
        let upload = Upload::read(request, state).await?;
        match is_file && upload.file.is_empty() {
            // Not a request for a blank picture: browsers send the type of a file of no bytes.
            true => Err(Problem::invalid("body", "is empty").into()),
            false => Ok(Self(upload)),
        }
    }
}

impl FromRequest<AppState> for PictureFile {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        Upload::read(request, state).await.map(Self)
    }
}

impl Upload {
    /// Waits for a share of the memory budget before reading the body. Until then the body stays with the client.
    async fn read(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length: Option<usize> = length.and_then(|value| value.to_str().ok()?.parse().ok());
        let most = length.unwrap_or(MAX_PICTURE_BYTES).min(MAX_PICTURE_BYTES);
        let share = state.uploads.share(most as u64).await;
        // Allocates the announced length at once: a growing buffer exists twice while it is copied.
        let mut file = Vec::with_capacity(length.map_or(0, |_| most));
        let mut pieces = request.into_body().into_data_stream();
        let mut window = Window::new();
        loop {
            let next = timeout(CHECK_EVERY, pieces.next()).await;
            if window.is_slow(file.len(), Instant::now()) && state.uploads.is_waited_for() {
                return Err(too_slow());
            }
            let piece = match next {
                Ok(Some(piece)) => piece.map_err(broken_off)?,
                Ok(None) => break,
                Err(_) => continue,
            };
            if file.len() + piece.len() > MAX_PICTURE_BYTES {
                let why = format!("the body is longer than {MAX_PICTURE_BYTES} bytes; more are not taken");
                return Err(ApiError::with_status(StatusCode::PAYLOAD_TOO_LARGE, Problem::Conflict(why)));
            }
            file.extend_from_slice(&piece);
        }
        Ok(Self { file, _share: share })
    }
}

/// Interval for checking a body that does not arrive.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Duration over which a body's rate is measured.
const WINDOW: Duration = Duration::from_secs(10);
/// Minimum amount in that time while other uploads wait, bytes: half a megabit per second.
const LEAST_BYTES: usize = 10 * 64 * 1024;

/// Measures a body's rate. A slow upload may take any time, unless others wait for its share of the budget.
struct Window {
    since: Instant,
    bytes_before: usize,
    is_slow: bool,
}

impl Window {
    fn new() -> Self {
        Self { since: Instant::now(), bytes_before: 0, is_slow: false }
    }

    /// Whether the last complete window was below the minimum. `bytes` is the amount received so far.
    fn is_slow(&mut self, bytes: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.is_slow = bytes - self.bytes_before < LEAST_BYTES;
            (self.since, self.bytes_before) = (now, bytes);
        }
        self.is_slow
    }
}

fn too_slow() -> ApiError {
    let why = format!(
        "others wait to send a picture, and this one came too slowly: at least {} kB in {} s are asked for",
        LEAST_BYTES / 1024,
        WINDOW.as_secs()
    );
    ApiError::with_status(StatusCode::REQUEST_TIMEOUT, Problem::Conflict(why))
}

fn broken_off(error: axum::Error) -> ApiError {
    ApiError::with_status(StatusCode::BAD_REQUEST, Problem::Conflict(format!("the body broke off: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_slow_by_what_its_last_whole_window_brought() {
        let mut window = Window::new();
        let after = |windows: u32| window.since + WINDOW * windows;
        let times = [after(1), after(2), after(3), after(4)];
        assert!(!window.is_slow(0, window.since + WINDOW / 2), "too early to tell");
        assert!(!window.is_slow(LEAST_BYTES, times[0]));
        assert!(window.is_slow(2 * LEAST_BYTES - 1, times[1]));
        assert!(window.is_slow(3 * LEAST_BYTES - 1, times[1] + WINDOW / 2), "until the next window is whole");
        assert!(!window.is_slow(3 * LEAST_BYTES - 1, times[2]));
        assert!(window.is_slow(3 * LEAST_BYTES - 1, times[3]));
    }
}
