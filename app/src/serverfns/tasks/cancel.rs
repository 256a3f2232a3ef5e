use crate::error::AppError;
use leptos::prelude::*;
use protocol::TaskId;

/// Stops a queued or running task and leaves nothing of it.
#[server(prefix = "/fn", endpoint = "tasks/cancel")]
pub async fn cancel_task(
    /// Which one.
    id: TaskId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.cancel_task(id).await.map(|_| ()))
}
