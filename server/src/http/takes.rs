//! `/api/v1/frames/{id}/takes` and `/api/v1/takes`

use super::{
    extract::IdPath,
    listed::{Listed, Part},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{extract::State, http::StatusCode};
use protocol::{FrameId, Take, TakeId};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("takes", summary);
    api.get("/frames/{id}/takes", list_takes, about("Lists a frame's takes, newest first.")).delete(
        "/takes/{id}",
        delete_take,
        about("Deletes a take and its picture for good.").status(204).fails(&[409]),
    )
}

async fn list_takes(
    State(state): State<AppState>,
    IdPath(id): IdPath<FrameId>,
    part: Part,
) -> Result<Listed<Take>, ApiError> {
    let mut takes = state.services.list_takes(id).await?;
    if let Some(after) = part.after_id()? {
        takes.retain(|take| take.id.0 < after);
    }
    Ok(part.of(takes, |take| take.id.to_string()))
}

async fn delete_take(State(state): State<AppState>, IdPath(id): IdPath<TakeId>) -> Result<StatusCode, ApiError> {
    state.services.delete_take(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
