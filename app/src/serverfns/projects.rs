//! Projects.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Project, ProjectId};

/// Projects that are not deleted, most recently changed first. Returns at most one more than a page shows; the extra
/// one indicates a next page.
#[server(prefix = "/fn", endpoint = "projects/list", input = GetUrl)]
pub async fn list_projects(
    /// Cursor: the place of the last project of the previous page.
    #[server(default)]
    after: Option<String>,
) -> Result<Packed<Vec<Project>>, AppError> {
    let projects = super::services()?.list_projects(after, protocol::project::SHOWN_PROJECTS + 1).await;
    super::answer(projects.and_then(|projects| Packed::new(&projects)))
}

/// Creates a project from its form and redirects to it.
#[server(prefix = "/fn", endpoint = "projects/create")]
pub async fn create_project(
    /// The name as typed.
    #[server(default)]
    name: String,
    /// A preset, or `custom`.
    #[server(default)]
    size: String,
    /// Pixels as typed, for a custom size.
    #[server(default)]
    width: String,
    /// Pixels as typed, for a custom size.
    #[server(default)]
    height: String,
    /// Frames per second as typed.
    #[server(default)]
    fps: String,
) -> Result<Project, AppError> {
    let draft = crate::drafts::ProjectDraft { name, size, width, height, fps };
    let created = match draft.read() {
        Ok(new) => super::services()?.create_project(new).await,
        Err(problem) => Err(problem),
    };
    let project = super::answer(created.map_err(|problem| draft.refused(problem)))?;
    leptos_axum::redirect(&protocol::url_path(&format!("/projects/{}", project.id)));
    Ok(project)
}

/// Renames a project.
#[server(prefix = "/fn", endpoint = "projects/update")]
pub async fn update_project(
    /// Id of the project.
    id: ProjectId,
    /// The name as typed.
    #[server(default)]
    name: String,
) -> Result<Project, AppError> {
    let patch = protocol::ProjectPatch { name: Some(name.clone()), ..Default::default() };
    let updated = match patch.validated() {
        Ok(patch) => super::services()?.update_project(id, patch).await,
        Err(problem) => Err(problem),
    };
    super::answer(updated.map_err(|problem| crate::drafts::rename_refused(id, &name, problem)))
}

/// Soft-deletes a project and redirects to the list of projects, which offers to undo it.
#[server(prefix = "/fn", endpoint = "projects/delete")]
pub async fn delete_project(
    /// Id of the project.
    id: ProjectId,
) -> Result<Project, AppError> {
    let project = super::answer(super::services()?.delete_project(id).await)?;
    leptos_axum::redirect(&protocol::url_path(&format!("/?deleted={id}")));
    Ok(project)
}

/// Undoes a deletion.
#[server(prefix = "/fn", endpoint = "projects/restore")]
pub async fn restore_project(
    /// Id of the project.
    id: ProjectId,
) -> Result<Project, AppError> {
    let project = super::answer(super::services()?.restore_project(id).await)?;
    leptos_axum::redirect(&protocol::url_path("/"));
    Ok(project)
}
