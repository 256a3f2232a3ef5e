//! A picture's file as a request's body.

use super::{MAX_PICTURE_BYTES, problem::ApiError};
use crate::{budget::Share, state::AppState};
use axum::{
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};
use futures::StreamExt;
use protocol::Problem;

/// The bytes of a picture's file; none where there is no body.
#[derive(Debug)]
pub struct Picture(Upload);

/// The bytes of a picture's file, which is required.
#[derive(Debug)]
pub struct PictureFile(Upload);

/// A body; its share of the memory for uploads is given back with it.
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
        Upload::read(request, state).await.map(Self)
    }
}

impl FromRequest<AppState> for PictureFile {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        Upload::read(request, state).await.map(Self)
    }
}

impl Upload {
    /// Waits for its turn, and reads the body only then: until then it is with the client, and costs nothing here.
    async fn read(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length: Option<usize> = length.and_then(|value| value.to_str().ok()?.parse().ok());
        let most = length.unwrap_or(MAX_PICTURE_BYTES).min(MAX_PICTURE_BYTES);
        let share = state.uploads.share(most as u64).await;
        // The room that it says it needs: a buffer that grows is there twice while it is moved.
        let mut file = Vec::with_capacity(length.map_or(0, |_| most));
        let mut pieces = request.into_body().into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(broken_off)?;
            if file.len() + piece.len() > MAX_PICTURE_BYTES {
                let why = format!("the body is longer than {MAX_PICTURE_BYTES} bytes; more are not taken");
                return Err(ApiError::with_status(StatusCode::PAYLOAD_TOO_LARGE, Problem::Conflict(why)));
            }
            file.extend_from_slice(&piece);
        }
        Ok(Self { file, _share: share })
    }
}

fn broken_off(error: axum::Error) -> ApiError {
    ApiError::with_status(StatusCode::BAD_REQUEST, Problem::Conflict(format!("the body broke off: {error}")))
}
