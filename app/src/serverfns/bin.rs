//! The bin of a project.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Bin, ProjectId};

/// What was deleted of a project and can be restored, newest first.
#[server(prefix = "/fn", endpoint = "bin/get", input = GetUrl)]
pub async fn get_bin(
    /// Id of the project.
    id: ProjectId,
) -> Result<Packed<Bin>, AppError> {
    super::answer(super::services()?.get_bin(id).await.and_then(|bin| Packed::new(&bin)))
}
