//! Tasks.

use crate::error::AppError;
use leptos::prelude::*;
use protocol::{TaskId, TaskPatch};

/// Cancels a queued, running or paused task and removes its files.
#[server(prefix = "/fn", endpoint = "tasks/cancel")]
pub async fn cancel_task(
    /// Id of the task.
    id: TaskId,
) -> Result<(), AppError> {
    super::answer(super::services()?.cancel_task(id).await.map(|_| ()))
}

/// Pauses a queued or running task.
#[server(prefix = "/fn", endpoint = "tasks/pause")]
pub async fn pause_task(
    /// Id of the task.
    id: TaskId,
) -> Result<(), AppError> {
    super::answer(super::services()?.pause_task(id).await.map(|_| ()))
}

/// Changes a task before its picture is finished.
#[server(prefix = "/fn", endpoint = "tasks/update")]
pub async fn update_task(
    /// Id of the task.
    id: TaskId,
    /// What changes.
    patch: TaskPatch,
) -> Result<(), AppError> {
    super::answer(super::services()?.update_task(id, patch).await.map(|_| ()))
}

/// Queues a paused task again.
#[server(prefix = "/fn", endpoint = "tasks/resume")]
pub async fn resume_task(
    /// Id of the task.
    id: TaskId,
) -> Result<(), AppError> {
    super::answer(super::services()?.resume_task(id).await.map(|_| ()))
}

/// Stops a running or paused task and makes its current estimate the finished picture.
#[server(prefix = "/fn", endpoint = "tasks/keep")]
pub async fn keep_task(
    /// Id of the task.
    id: TaskId,
) -> Result<(), AppError> {
    super::answer(super::services()?.keep_task(id).await.map(|_| ()))
}

/// Queues a failed or cancelled task again with the same seed.
#[server(prefix = "/fn", endpoint = "tasks/retry")]
pub async fn retry_task(
    /// Id of the task.
    id: TaskId,
) -> Result<(), AppError> {
    super::answer(super::services()?.retry_task(id).await.map(|_| ()))
}
