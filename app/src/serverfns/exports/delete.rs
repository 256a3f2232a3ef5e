use crate::error::AppError;
use leptos::prelude::*;
use protocol::ExportId;

/// Stops an export if it runs, and removes its file.
#[server(prefix = "/fn", endpoint = "exports/delete")]
pub async fn delete_export(
    /// Which one.
    id: ExportId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.delete_export(id).await)
}
