use crate::error::AppError;
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Project, ProjectId};

/// One project that is not deleted.
#[server(prefix = "/fn", endpoint = "projects/get", input = GetUrl)]
pub async fn get_project(
    /// Which one.
    id: ProjectId,
) -> Result<Project, AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.project(id).await)
}
