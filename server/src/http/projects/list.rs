//! `GET /api/v1/projects?limit=&after=`

use crate::{
    http::{
        listed::{Listed, Part},
        problem::ApiError,
    },
    state::AppState,
};
use app::services::Services;
use axum::extract::State;
use protocol::Project;

/// Projects, newest change first.
pub async fn list(State(state): State<AppState>, part: Part) -> Result<Listed<Project>, ApiError> {
    let projects = state.services.projects(part.after(), part.wanted()).await?;
    Ok(part.of(projects, Project::place))
}
