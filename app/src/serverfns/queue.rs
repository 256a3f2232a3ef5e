//! The queue.

use crate::error::AppError;
use leptos::prelude::*;
use protocol::TaskId;

/// Pauses or resumes the queue. Running tasks continue.
#[server(prefix = "/fn", endpoint = "queue/pause")]
pub async fn pause_queue(
    /// Whether to pause it.
    paused: bool,
) -> Result<(), AppError> {
    let services = super::services()?;
    let queue = match paused {
        true => services.pause_queue().await,
        false => services.resume_queue().await,
    };
    super::answer(queue.map(|_| ()))
}

/// Puts queued tasks into this order. Those left out follow in their present order.
#[server(prefix = "/fn", endpoint = "queue/reorder")]
pub async fn reorder_queue(
    /// Ids of queued tasks.
    #[server(default)]
    ids: Vec<TaskId>,
) -> Result<(), AppError> {
    super::answer(super::services()?.reorder_queue(ids).await.map(|_| ()))
}
