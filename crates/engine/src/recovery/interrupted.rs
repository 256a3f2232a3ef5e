//! Interrupted tasks: those that were running when the server ended.

use crate::{
    Media,
    traces::{Saved, parameters_hash},
};
use protocol::{TaskId, TaskStatus};
use std::collections::HashMap;
use store::{End, OpenTask, Store, StoreError, TraceKind};

/// How the server's last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEnd {
    /// It was stopped, or this is unknown.
    Stopped,
    /// It ended without being stopped: killed, out of memory, power failure.
    Unclean,
}

/// A task fails after this many unclean ends while it ran. Otherwise it would end each server that runs it, and block the
/// queue.
const MAX_UNCLEAN_ENDS: u32 = 2;

/// The step from which an interrupted task goes on, if more steps are saved than when it was last interrupted or paused.
pub(super) async fn newer_step(store: &Store, media: &Media, open: &OpenTask) -> Result<Option<u32>, StoreError> {
    let step = match media.pictures() {
        // Not read: a start does not need the object store.
        Some(_) => store.trace_object(&open.key, TraceKind::State).await?.map(|saved| saved.step),
        None => {
            let parameters = parameters_hash(&open.task.parameters, open.task.seed);
            Saved::newest(media, &open.key, &parameters).ok().flatten().map(|saved| saved.step)
        }
    };
    Ok(step.filter(|step| *step > open.done_steps))
}

/// Requeues an interrupted task, or fails it if it seems to end the server each time. One that got further is not blamed.
pub(super) async fn requeue(
    store: &Store,
    media: &Media,
    id: TaskId,
    saved: &HashMap<TaskId, u32>,
    last_end: LastEnd,
) -> Result<(), StoreError> {
    if let Some(step) = saved.get(&id) {
        tracing::info!(task.id = %id, step, "a generation goes on after its last saved step");
        skip_unreadable(store.requeue_after_steps(id, *step, last_end == LastEnd::Unclean).await)?;
        return Ok(());
    }
    if last_end == LastEnd::Stopped {
        skip_unreadable(store.requeue_task(id).await)?;
        return Ok(());
    }
    let Some(OpenTask { unclean_ends, .. }) = skip_unreadable(store.requeue_after_unclean_end(id).await)? else {
        return Ok(());
    };
    if unclean_ends < MAX_UNCLEAN_ENDS {
        return Ok(());
    }
    tracing::warn!(task.id = %id, unclean_ends, "the server ended each time it made this picture; it is not made again");
    let error = format!(
        "the server ended {unclean_ends} times while it made this picture: probably out of memory; choose a smaller width \
         and height, or give the server more memory, and try again"
    );
    let ended = store.end_task(id, &[TaskStatus::Queued], End::Failed(error)).await?;
    remove_preview(media, &ended.key);
    Ok(())
}

/// Removes the preview of a task that failed.
pub(super) fn remove_preview(media: &Media, key: &str) {
    if let Err(error) = media.remove(key) {
        tracing::warn!(key, %error, "a preview could not be removed; the next start puts it into lost+found");
    }
}

/// Skips a row that cannot be read; lists report it.
pub(super) fn skip_unreadable<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Err(error) if error.is_unreadable() => Ok(None),
        result => result.map(Some),
    }
}
