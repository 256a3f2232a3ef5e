use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::Project;

/// Projects that are not deleted, newest change first: as many as the page shows, and one more where there are more.
#[server(prefix = "/fn", endpoint = "projects/list", input = GetUrl)]
pub async fn list_projects(
    /// The place that they follow.
    #[server(default)]
    after: Option<String>,
) -> Result<Packed<Vec<Project>>, AppError> {
    let projects = crate::serverfns::services()?.projects(after, protocol::project::SHOWN_PROJECTS + 1).await;
    crate::serverfns::answer(projects.and_then(|projects| Packed::new(&projects)))
}
