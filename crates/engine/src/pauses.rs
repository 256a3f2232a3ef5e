//! Pausing and resuming single tasks.

use crate::{Engine, EngineError};
use protocol::{Task, TaskId, TaskStatus};
use std::time::Duration;
use store::{RequestState, RunRequest, StoreError};

/// How often a change is tried again when the task's status changes meanwhile: it is claimed, or its attempt ends.
const TRIES: usize = 5;

impl Engine {
    /// Pauses a queued or running task. A running one stops before its next step, and this waits until it has, at most
    /// `at_most`. Returns the task in its state at that time. A paused task stays as it is.
    ///
    /// # Errors
    /// [`EngineError::Ended`] for a task that has ended or ends meanwhile; a task that does not exist.
    pub async fn pause_task(&self, id: TaskId, at_most: Duration) -> Result<Task, EngineError> {
        for _ in 0..TRIES {
            match self.shared.store.pause_task(id).await {
                Ok(open) => return Ok(open.task),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            // It is running, paused or has ended.
            let mut is_over = false;
            if self.shared.store.get_task(id).await?.status == TaskStatus::Running {
                if self.runs_elsewhere(id).await? {
                    is_over = self.ask_elsewhere(id, RunRequest::Pause, at_most).await? == RequestState::Over;
                } else {
                    self.pause_here(id, at_most).await?;
                }
            }
            let task = self.shared.store.get_task(id).await?;
            match task.status {
                // It is another attempt, which was not asked.
                TaskStatus::Running if is_over => {}
                TaskStatus::Paused | TaskStatus::Running => return Ok(task),
                // It was interrupted.
                TaskStatus::Queued => {}
                status => return Err(EngineError::Ended { task: id, status, to: "paused" }),
            }
        }
        Ok(self.shared.store.get_task(id).await?)
    }

    /// Asks the attempt of this server to stop before its next step, and waits until it has, at most `at_most`.
    async fn pause_here(&self, id: TaskId, at_most: Duration) -> Result<(), EngineError> {
        match self.shared.slots.pause(id) {
            Some(slot) => slot.wait_for_end(at_most).await,
            // It is claimed and starts now, or ends now.
            None if self.shared.store.get_task(id).await?.status != TaskStatus::Running => {
                self.shared.slots.forget_pause(id);
            }
            None => {}
        }
        Ok(())
    }

    /// Queues a paused task at its old place in the queue; its next attempt goes on after the steps that are done. A task that
    /// is queued or running goes on. Neither pauses by itself any more.
    ///
    /// # Errors
    /// [`EngineError::Ended`] for a task that has ended; a task that does not exist.
    pub async fn resume_task(&self, id: TaskId, at_most: Duration) -> Result<Task, EngineError> {
        for _ in 0..TRIES {
            match self.shared.store.resume_task(id, false).await {
                Ok(open) => return Ok(open.task),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let mut task = self.shared.store.get_task(id).await?;
            if task.pause_at.is_some() && matches!(task.status, TaskStatus::Queued | TaskStatus::Running) {
                // Another server that runs it finds out when it reaches the step, and queues it.
                if !self.shared.store.pause_no_more(id).await? {
                    continue;
                }
                if let Some(slot) = self.shared.slots.get(id) {
                    slot.set_pause_at(None);
                }
                task.pause_at = None;
            }
            match (task.status, self.shared.slots.get(id)) {
                // It may be about to stop.
                (TaskStatus::Running, Some(slot)) if !slot.unpause() => slot.wait_for_end(at_most).await,
                (TaskStatus::Running, None) if self.runs_elsewhere(id).await? => {
                    // Over: it may have stopped.
                    if self.ask_elsewhere(id, RunRequest::Unpause, at_most).await? != RequestState::Over {
                        return Ok(self.shared.store.get_task(id).await?);
                    }
                }
                (TaskStatus::Running, None) => {
                    self.shared.slots.forget_pause(id);
                    return Ok(task);
                }
                (TaskStatus::Running | TaskStatus::Queued, _) => return Ok(task),
                (TaskStatus::Paused, _) => {}
                (status, _) => return Err(EngineError::Ended { task: id, status, to: "resumed" }),
            }
        }
        Ok(self.shared.store.get_task(id).await?)
    }
}
