//! `POST /api/v1/frames/{id}/restore`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Frame, FrameId};

/// Takes a deletion back; on a frame that is not deleted it changes nothing.
pub async fn restore(State(state): State<AppState>, IdPath(id): IdPath<FrameId>) -> Result<Json<Frame>, ApiError> {
    Ok(Json(state.services.restore_frame(id).await?))
}
