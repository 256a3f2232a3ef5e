use crate::error::AppError;
use leptos::prelude::*;
use protocol::TaskId;

/// Queues a failed or cancelled task again.
#[server(prefix = "/fn", endpoint = "tasks/retry")]
pub async fn retry_task(
    /// Which one.
    id: TaskId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.retry_task(id).await.map(|_| ()))
}
