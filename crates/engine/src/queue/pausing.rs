//! An attempt that stops between two steps: a user paused its task, or the server stops.

use super::{attempt::Attempt, generate::PausedRun};
use crate::retry;
use std::error::Error;
use store::StoreError;

impl Attempt<'_> {
    /// Saves the steps that are done, and records the pause. While the server stops nothing is recorded: the next start
    /// queues the task again, and it goes on after these steps.
    pub(super) fn pause(&self, run: &PausedRun) {
        // Without a step there is nothing to save: the next attempt starts with the same noise.
        let done = if run.step > 0 && self.saves(run) { run.step } else { 0 };
        if self.shared.control.is_stopping() {
            return;
        }
        match self.change(|| self.shared.store.pause_attempt(self.task.id, self.task.attempt, done)) {
            Ok(_) => tracing::info!(task.id = %self.task.id, step = done, "generation paused"),
            // Cancelled meanwhile, or the connection broke after the change was committed.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(_) if self.is_over() => {}
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn Error, "a pause could not be recorded; the next start takes the task up again");
            }
        }
    }

    /// Saves the state, retrying while the disk refuses it. Returns whether it is saved.
    fn saves(&self, run: &PausedRun) -> bool {
        let media = &self.shared.media;
        let write = || {
            let write = || media.write_state(&self.slot.key, &run.header, (run.step, &run.state), true);
            self.slot.if_open(write).transpose()
        };
        match self.retry(write, retry::write_waits_for, || self.is_over()) {
            Ok(written) => written.is_some(),
            Err(error) => {
                tracing::warn!(task.id = %self.task.id, %error, "the steps of a paused picture could not be saved; it starts again when it is resumed");
                false
            }
        }
    }
}
