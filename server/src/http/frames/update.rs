//! `PATCH /api/v1/frames/{id}`

use crate::{
    http::{
        extract::{IdPath, Json},
        problem::ApiError,
    },
    state::AppState,
};
use app::services::Services;
use axum::extract::State;
use protocol::{Frame, FrameId, FramePatch, Problem};

/// Changes the fields that the body names. Frames that move with it are told of by events.
pub async fn update(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
    Json(patch): Json<FramePatch>,
) -> Result<axum::Json<Frame>, ApiError> {
    let changed = state.services.update_frame(id, patch).await?;
    Ok(axum::Json(changed.into_iter().next().ok_or(Problem::Internal)?))
}
