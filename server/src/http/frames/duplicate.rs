//! `POST /api/v1/frames/{id}/duplicate`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State, http::StatusCode};
use protocol::{Frame, FrameId, Problem};

/// Makes a frame right behind this one, with a copy of the picture that it shows. Frames that move are told of by
/// events.
pub async fn duplicate(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
) -> Result<(StatusCode, Json<Frame>), ApiError> {
    let made = state.services.duplicate_frame(id).await?;
    Ok((StatusCode::CREATED, Json(made.into_iter().next().ok_or(Problem::Internal)?)))
}
