//! Exports.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Export, ExportFormat, ExportId, ProjectId};

/// Starts exporting a project's frames into one file.
#[server(prefix = "/fn", endpoint = "exports/create")]
pub async fn create_export(
    /// Id of the project.
    project_id: ProjectId,
    /// File format.
    format: ExportFormat,
) -> Result<Packed<Export>, AppError> {
    let export = super::services()?.create_export(project_id, format).await;
    super::answer(export.and_then(|export| Packed::new(&export)))
}

/// A project's exports, newest first.
#[server(prefix = "/fn", endpoint = "exports/list", input = GetUrl)]
pub async fn list_exports(
    /// Id of the project.
    project_id: ProjectId,
) -> Result<Packed<Vec<Export>>, AppError> {
    let exports = super::services()?.list_exports(project_id).await;
    super::answer(exports.and_then(|exports| Packed::new(&exports)))
}

/// One export. `None` if it was deleted, which is not an error: another page may have done it.
#[server(prefix = "/fn", endpoint = "exports/get", input = GetUrl)]
pub async fn get_export(
    /// Id of the export.
    id: ExportId,
) -> Result<Option<Packed<Export>>, AppError> {
    match super::services()?.get_export(id).await {
        Err(protocol::Problem::NotFound(_)) => Ok(None),
        found => super::answer(found.and_then(|export| Packed::new(&export)).map(Some)),
    }
}

/// Cancels an export if it is running and removes its file.
#[server(prefix = "/fn", endpoint = "exports/delete")]
pub async fn delete_export(
    /// Id of the export.
    id: ExportId,
) -> Result<(), AppError> {
    super::answer(super::services()?.delete_export(id).await)
}
