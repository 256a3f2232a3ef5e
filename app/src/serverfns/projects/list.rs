use crate::error::AppError;
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::Project;

/// All projects that are not deleted, newest change first.
#[server(prefix = "/fn", endpoint = "projects/list", input = GetUrl)]
pub async fn list_projects() -> Result<Vec<Project>, AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.projects().await)
}
