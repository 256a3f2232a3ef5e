use crate::error::AppError;
use leptos::prelude::*;
use protocol::TaskId;

/// Ends a running task with the estimate that it has.
#[server(prefix = "/fn", endpoint = "tasks/keep")]
pub async fn keep_task(
    /// Which one.
    id: TaskId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.keep_task(id).await.map(|_| ()))
}
