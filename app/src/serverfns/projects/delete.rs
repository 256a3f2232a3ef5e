use crate::error::AppError;
use leptos::prelude::*;
use protocol::{Project, ProjectId};

/// Deletes a project; the list that it leads to offers to take that back.
#[server(prefix = "/fn", endpoint = "projects/delete")]
pub async fn delete_project(
    /// Which one.
    id: ProjectId,
) -> Result<Project, AppError> {
    let project = crate::serverfns::answer(crate::serverfns::services()?.delete_project(id).await)?;
    leptos_axum::redirect(&protocol::url_path(&format!("/?deleted={id}")));
    Ok(project)
}
