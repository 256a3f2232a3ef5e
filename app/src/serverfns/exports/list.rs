use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Export, ProjectId};

/// A project's exports, newest first.
#[server(prefix = "/fn", endpoint = "exports/list", input = GetUrl)]
pub async fn list_exports(
    /// Which project.
    project_id: ProjectId,
) -> Result<Packed<Vec<Export>>, AppError> {
    let exports = crate::serverfns::services()?.exports(project_id).await;
    crate::serverfns::answer(exports.and_then(|exports| Packed::new(&exports)))
}
