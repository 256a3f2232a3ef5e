//! `DELETE /api/v1/frames/{id}`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{extract::State, http::StatusCode};
use protocol::FrameId;

/// Deletes a frame softly: 204; `POST .../restore` takes it back for thirty days.
pub async fn delete(State(state): State<AppState>, IdPath(id): IdPath<FrameId>) -> Result<StatusCode, ApiError> {
    state.services.delete_frame(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
