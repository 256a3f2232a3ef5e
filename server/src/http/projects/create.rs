//! `POST /api/v1/projects`

use crate::{
    http::{extract::Json, problem::ApiError},
    state::AppState,
};
use app::services::Services;
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use protocol::NewProject;

/// Makes a project: 201, with its address in `Location`.
pub async fn create(State(state): State<AppState>, Json(new): Json<NewProject>) -> Result<impl IntoResponse, ApiError> {
    let project = state.services.create_project(new).await?;
    let location = [(header::LOCATION, format!("/api/v1/projects/{}", project.id))];
    Ok((StatusCode::CREATED, location, axum::Json(project)))
}
