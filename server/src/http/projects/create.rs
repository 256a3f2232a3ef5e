//! `POST /api/v1/projects`

use crate::{
    http::{extract::Json, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use protocol::{NewProject, Project, url_path};

/// The new project, and where it is.
type Created = (StatusCode, [(HeaderName, String); 1], axum::Json<Project>);

/// Makes a project: 201, with its address in `Location`.
pub async fn create(State(state): State<AppState>, Json(new): Json<NewProject>) -> Result<Created, ApiError> {
    let project = state.services.create_project(new).await?;
    let location = [(header::LOCATION, url_path(&format!("/api/v1/projects/{}", project.id)))];
    Ok((StatusCode::CREATED, location, axum::Json(project)))
}
