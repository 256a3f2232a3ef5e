use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{ProjectId, Studio};

/// Everything that a project's page shows; none if there is no such project, or it is deleted.
#[server(prefix = "/fn", endpoint = "studio/get", input = GetUrl)]
pub async fn get_studio(
    /// Which project.
    id: ProjectId,
) -> Result<Option<Packed<Studio>>, AppError> {
    match crate::serverfns::services()?.studio(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(None),
        found => crate::serverfns::answer(found.and_then(|studio| Packed::new(&studio)).map(Some)),
    }
}
