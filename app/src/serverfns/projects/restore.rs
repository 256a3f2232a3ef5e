use crate::error::AppError;
use leptos::prelude::*;
use protocol::{Project, ProjectId};

/// Takes a deletion back.
#[server(prefix = "/fn", endpoint = "projects/restore")]
pub async fn restore_project(
    /// Which one.
    id: ProjectId,
) -> Result<Project, AppError> {
    let project = crate::serverfns::answer(crate::serverfns::services()?.restore_project(id).await)?;
    leptos_axum::redirect(&protocol::url_path("/"));
    Ok(project)
}
