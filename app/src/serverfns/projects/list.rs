use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::Project;

/// All projects that are not deleted, newest change first.
#[server(prefix = "/fn", endpoint = "projects/list", input = GetUrl)]
pub async fn list_projects() -> Result<Packed<Vec<Project>>, AppError> {
    let projects = crate::serverfns::services()?.projects().await;
    crate::serverfns::answer(projects.and_then(|projects| Packed::new(&projects)))
}
