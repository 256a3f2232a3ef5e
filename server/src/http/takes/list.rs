//! `GET /api/v1/frames/{id}/takes?limit=&after=`

use crate::{
    http::{
        extract::IdPath,
        listed::{Listed, Part},
        problem::ApiError,
    },
    state::AppState,
};
use app::services::Services;
use axum::extract::State;
use protocol::{FrameId, Take};

/// A frame's takes, newest first.
pub async fn list(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
    part: Part,
) -> Result<Listed<Take>, ApiError> {
    let mut takes = state.services.takes(id).await?;
    if let Some(after) = part.after_id()? {
        takes.retain(|take| take.id.0 < after);
    }
    Ok(part.of(takes, |take| take.id.to_string()))
}
