//! `GET /api/v1/projects/{id}/exports?limit=&after=`

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
use protocol::{Export, ProjectId};

/// A project's exports since the server's start, newest first.
pub async fn list(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    part: Part,
) -> Result<Listed<Export>, ApiError> {
    let mut exports = state.services.exports(id).await?;
    if let Some(after) = part.after_id()? {
        exports.retain(|export| export.id.0 < after);
    }
    Ok(part.of(exports, |export| export.id.to_string()))
}
