use crate::error::AppError;
use leptos::prelude::*;
use protocol::Project;

/// Makes a project from its form and opens it.
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
    let draft = crate::form::ProjectDraft { name, size, width, height, fps };
    let created = match draft.read() {
        Ok(new) => crate::serverfns::services()?.create_project(new).await,
        Err(problem) => Err(problem),
    };
    let project = crate::serverfns::answer(created.map_err(|problem| draft.refused(problem)))?;
    leptos_axum::redirect(&protocol::url_path(&format!("/projects/{}", project.id)));
    Ok(project)
}
