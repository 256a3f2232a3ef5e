//! Exports.

use crate::{error::AppError, packed::Packed};
use leptos::{prelude::*, server_fn::codec::GetUrl};
use protocol::{Easing, Export, ExportFormat, ExportId, ProjectId, TakeId};
#[cfg(feature = "ssr")]
use protocol::{Formation, NewExport};

/// Starts exporting a project's frames into one file.
#[server(prefix = "/fn", endpoint = "exports/create")]
pub async fn create_export(
    /// Id of the project.
    project_id: ProjectId,
    /// File format.
    format: ExportFormat,
) -> Result<Packed<Export>, AppError> {
    let export = super::services()?.create_export(project_id, NewExport { format, formation: None }).await;
    super::answer(export.and_then(|export| Packed::new(&export)))
}

/// Starts exporting how a take formed into one file.
#[server(prefix = "/fn", endpoint = "exports/formation")]
pub async fn export_formation(
    /// Id of the project.
    project_id: ProjectId,
    /// Id of the take.
    take_id: TakeId,
    /// File format.
    format: ExportFormat,
    /// Length of the animation, seconds.
    seconds: f64,
    /// How fast it goes through the steps.
    easing: Easing,
) -> Result<Packed<Export>, AppError> {
    let new = NewExport { format, formation: Some(Formation { take_id, seconds, easing }) };
    let export = match new.validated() {
        Ok(new) => super::services()?.create_export(project_id, new).await,
        Err(problem) => Err(problem),
    };
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
