use crate::error::AppError;
use leptos::prelude::*;
use protocol::{Project, ProjectId};

/// Gives a project another name.
#[server(prefix = "/fn", endpoint = "projects/update")]
pub async fn update_project(
    /// Which one.
    id: ProjectId,
    /// The name as typed.
    #[server(default)]
    name: String,
) -> Result<Project, AppError> {
    let patch = protocol::ProjectPatch { name: Some(name.clone()), ..Default::default() };
    let updated = match patch.validated() {
        Ok(patch) => crate::serverfns::services()?.update_project(id, patch).await,
        Err(problem) => Err(problem),
    };
    crate::serverfns::answer(updated.map_err(|problem| crate::form::rename_refused(id, &name, problem)))
}
