//! Everything that a project's page shows.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{ProjectId, Studio};

/// Everything that a project's page shows. `None` if the project does not exist or is deleted.
#[server(prefix = "/fn", endpoint = "studio/get", input = GetUrl)]
pub async fn get_studio(
    /// Id of the project.
    id: ProjectId,
) -> Result<Option<Packed<Studio>>, AppError> {
    match super::services()?.get_studio(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(None),
        found => super::answer(found.and_then(|studio| Packed::new(&studio)).map(Some)),
    }
}
