//! Servers and workers.

use crate::error::AppError;
use leptos::prelude::*;
use protocol::WorkerId;

/// Lets a worker finish its pictures and start no others.
#[server(prefix = "/fn", endpoint = "workers/drain")]
pub async fn drain_worker(
    /// Id of the worker.
    id: WorkerId,
) -> Result<(), AppError> {
    super::answer(super::services()?.drain_worker(id).await.map(|_| ()))
}

/// Lets a worker start pictures again.
#[server(prefix = "/fn", endpoint = "workers/resume")]
pub async fn resume_worker(
    /// Id of the worker.
    id: WorkerId,
) -> Result<(), AppError> {
    super::answer(super::services()?.resume_worker(id).await.map(|_| ()))
}
