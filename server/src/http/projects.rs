//! `/api/v1/projects`

use super::{
    extract::{IdPath, Json},
    listed::{Listed, Part},
    openapi::{About, Api},
};
use crate::problem::ApiError;
use crate::state::AppState;
use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use protocol::{Bin, BinProject, NewProject, Project, ProjectId, ProjectPatch, url_path};
use studio::Services;

/// The routes with their summaries.
pub fn routes(api: Api) -> Api {
    let about = |summary| About::new("projects", summary);
    api.get("/projects", list_projects, about("Lists projects, most recently changed first."))
        .post("/projects", create_project, about("Creates a project.").status(201))
        .get("/projects/{id}", get_project, about("Returns a project."))
        .patch("/projects/{id}", update_project, about("Changes the given fields of a project."))
        .delete(
            "/projects/{id}",
            delete_project,
            about("Deletes a project. It can be restored for thirty days.").status(204),
        )
        .post("/projects/{id}/restore", restore_project, about("Restores a deleted project."))
        .get("/bin", list_deleted_projects, about("Lists the deleted projects that can be restored."))
        .get("/projects/{id}/bin", get_bin, about("Returns the deleted frames and takes that can be restored."))
}

async fn list_projects(State(state): State<AppState>, part: Part) -> Result<Listed<Project>, ApiError> {
    let projects = state.services.list_projects(part.after(), part.wanted()).await?;
    Ok(part.of(projects, Project::place))
}

/// The new project with its address in `Location`.
type Created = (StatusCode, [(HeaderName, String); 1], axum::Json<Project>);

async fn create_project(State(state): State<AppState>, Json(new): Json<NewProject>) -> Result<Created, ApiError> {
    let project = state.services.create_project(new).await?;
    let location = [(header::LOCATION, url_path(&format!("/api/v1/projects/{}", project.id)))];
    Ok((StatusCode::CREATED, location, axum::Json(project)))
}

async fn get_project(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
) -> Result<axum::Json<Project>, ApiError> {
    Ok(axum::Json(state.services.get_project(id).await?))
}

async fn update_project(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
    Json(patch): Json<ProjectPatch>,
) -> Result<axum::Json<Project>, ApiError> {
    Ok(axum::Json(state.services.update_project(id, patch).await?))
}

async fn delete_project(State(state): State<AppState>, IdPath(id): IdPath<ProjectId>) -> Result<StatusCode, ApiError> {
    state.services.delete_project(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn restore_project(
    State(state): State<AppState>,
    IdPath(id): IdPath<ProjectId>,
) -> Result<axum::Json<Project>, ApiError> {
    Ok(axum::Json(state.services.restore_project(id).await?))
}

async fn get_bin(State(state): State<AppState>, IdPath(id): IdPath<ProjectId>) -> Result<axum::Json<Bin>, ApiError> {
    Ok(axum::Json(state.services.get_bin(id).await?))
}

async fn list_deleted_projects(State(state): State<AppState>) -> Result<axum::Json<Vec<BinProject>>, ApiError> {
    Ok(axum::Json(state.services.list_deleted_projects().await?))
}
