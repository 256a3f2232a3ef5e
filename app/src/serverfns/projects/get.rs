use crate::error::AppError;
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Project, ProjectId};

/// One project; none if there is no such project, or it is deleted. That is an answer and no failure: the
/// page asks again after each change, and a 404 would be an error in the browser's console.
#[server(prefix = "/fn", endpoint = "projects/get", input = GetUrl)]
pub async fn get_project(
    /// Which one.
    id: ProjectId,
) -> Result<Option<Project>, AppError> {
    match crate::serverfns::services()?.project(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(None),
        found => crate::serverfns::answer(found.map(Some)),
    }
}
