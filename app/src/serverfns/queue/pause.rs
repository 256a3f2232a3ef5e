use crate::error::AppError;
use leptos::prelude::*;

/// Keeps waiting tasks waiting, or lets them run again.
#[server(prefix = "/fn", endpoint = "queue/pause")]
pub async fn pause_queue(
    /// Whether they wait.
    paused: bool,
) -> Result<(), AppError> {
    crate::serverfns::answer(crate::serverfns::services()?.pause_queue(paused).await.map(|_| ()))
}
