use crate::error::AppError;
use leptos::prelude::*;
use protocol::TaskId;

/// Puts waiting tasks into this order; those left out follow as they stood.
#[server(prefix = "/fn", endpoint = "queue/reorder")]
pub async fn reorder_queue(
    /// The tasks.
    #[server(default)]
    ids: Vec<TaskId>,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.reorder_queue(ids).await.map(|_| ()))
}
