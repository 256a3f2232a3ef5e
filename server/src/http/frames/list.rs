//! `GET /api/v1/projects/{id}/frames?limit=&after=`

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
use protocol::{Frame, Problem, ProjectId};

/// A project's frames in their order.
pub async fn list(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    part: Part,
) -> Result<Listed<Frame>, ApiError> {
    let mut frames = state.services.frames(id).await?;
    if let Some(after) = part.after_id()? {
        let place = frames.iter().position(|frame| frame.id.0 == after);
        // Only its place in the order says what follows it.
        let gone = || Problem::invalid("after", format!("frame {after} is not in this project any more; begin again"));
        frames.drain(..=place.ok_or_else(gone)?);
    }
    Ok(part.of(frames, |frame| frame.id.to_string()))
}
