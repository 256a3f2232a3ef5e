use crate::error::AppError;
use leptos::prelude::*;
use protocol::TaskId;

/// Puts a waiting task first: the others follow as they stood.
#[server(prefix = "/fn", endpoint = "queue/reorder")]
pub async fn reorder_queue(
    /// The task that runs next.
    first: TaskId,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.reorder_queue(vec![first]).await.map(|_| ()))
}
