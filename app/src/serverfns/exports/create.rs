use crate::{error::AppError, packed::Packed};
use leptos::prelude::*;
use protocol::{Export, ExportFormat, ProjectId};

/// Begins to write a project's frames into one file.
#[server(prefix = "/fn", endpoint = "exports/create")]
pub async fn create_export(
    /// Which project.
    project_id: ProjectId,
    /// The kind of file.
    format: ExportFormat,
) -> Result<Packed<Export>, AppError> {
    let export = crate::serverfns::services()?.create_export(project_id, format).await;
    crate::serverfns::answer(export.and_then(|export| Packed::new(&export)))
}
