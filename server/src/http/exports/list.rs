//! `GET /api/v1/projects/{id}/exports`

use crate::{
    http::{extract::IdPath, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{Json, extract::State};
use protocol::{Export, ProjectId};

/// A project's exports since the server's start, newest first.
pub async fn list(State(state): State<AppState>, IdPath(id): IdPath<ProjectId>) -> Result<Json<Vec<Export>>, ApiError> {
    Ok(Json(state.services.exports(id).await?))
}
