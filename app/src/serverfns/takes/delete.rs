use crate::error::AppError;
use leptos::prelude::*;
use protocol::TakeId;

/// Deletes a take and its picture.
#[server(prefix = "/fn", endpoint = "takes/delete")]
pub async fn delete_take(
    /// Which one.
    id: TakeId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.delete_take(id).await.map(|_| ()))
}
