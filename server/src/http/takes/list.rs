//! `GET /api/v1/frames/{id}/takes`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{FrameId, Take};

/// A frame's takes, newest first.
pub async fn list(State(state): State<AppState>, IdPath(id): IdPath<FrameId>) -> Result<Json<Vec<Take>>, ApiError> {
    Ok(Json(state.services.takes(id).await?))
}
