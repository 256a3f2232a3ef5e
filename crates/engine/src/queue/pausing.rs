//! An attempt that stops between two steps: a user paused or changed its task, it has reached the step at which it pauses by
//! itself, it makes room for others, or the server stops.

use super::{
    attempt::Attempt,
    error::GenerationError,
    generate::PausedRun,
    unwritten::{Unwritten, write_if_open},
};
use crate::{
    steer::Wanted,
    total_steps,
    traces::{state_bytes, store_object},
};
use protocol::{Task, TaskStatus, TrackChange};
use std::error::Error;
use store::{StoreError, TraceKind};

impl Attempt<'_> {
    /// Saves the steps that are done, and records the pause, or that the task steps aside. While the server stops nothing is
    /// recorded: the next start queues the task again, and it goes on after these steps.
    pub(super) fn pause(&self, run: &PausedRun) {
        // Without a step there is nothing to save: the next attempt starts with the same noise.
        let done = if run.step > 0 && self.saves(run) { run.step } else { 0 };
        if done > 0 {
            // For the server that goes on, and for looking at the steps meanwhile.
            self.store_trace_if_possible(done);
        }
        if self.shared.control.is_stopping() {
            return;
        }
        let (store, id, attempt) = (&self.shared.store, self.task.id, self.task.attempt);
        // A user's pause counts if several came at once.
        let is_paused = self.slot.takes_pause();
        let steps_aside = self.slot.is_overnight() && !self.slot.pauses_after(run.step);
        let recorded = match (is_paused, steps_aside) {
            (true, _) => self.change(|| store.pause_attempt(id, attempt, done)),
            (false, true) => self.change(|| store.step_aside(id, attempt, done, self.slot.is_kept())),
            (false, false) => self.change(|| store.pause_at_its_step(id, attempt, done, self.slot.is_kept())),
        };
        match recorded {
            Ok(open) if open.task.status == TaskStatus::Paused => {
                tracing::info!(task.id = %id, step = done, "generation paused");
            }
            Ok(_) if !steps_aside => {
                // It was resumed at this moment.
                tracing::info!(task.id = %id, step = done, "generation queued to go on");
            }
            Ok(_) => tracing::info!(task.id = %id, step = done, "generation steps aside for others"),
            // Cancelled meanwhile, or the connection broke after the change was committed.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(_) if self.is_over() => {}
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn Error, "a pause could not be recorded; the next start takes the task up again");
            }
        }
    }

    /// Records the change that stopped the sampler. Returns the changed task, which goes on after the steps that are done; none
    /// if it was cancelled meanwhile.
    pub(super) fn steer(&self, run: &PausedRun) -> Result<Option<Task>, GenerationError> {
        let mut parameters = self.task.parameters.clone();
        let Wanted { change, asked } = self.slot.steer.take().unwrap_or_default();
        if !change.is_empty() {
            let left = total_steps(&parameters).saturating_sub(run.step);
            let finish_in = change.finish_in.map(|steps| steps.min(left));
            parameters.change(TrackChange { step: run.step, finish_in, ..change });
        }
        // What cannot be saved is computed again: the changes so far are replayed.
        if run.step > 0 {
            self.saves(run);
        }
        let (id, attempt) = (self.task.id, self.task.attempt);
        let recorded = self.change(|| self.shared.store.steer_attempt(id, attempt, run.step, &parameters, &asked));
        match recorded {
            Ok(open) => {
                self.slot.steer.record();
                tracing::info!(task.id = %id, step = run.step, "generation changed");
                Ok(Some(open.task))
            }
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => Ok(None),
            Err(_) if self.is_over() => Ok(None),
            Err(error) => Err(GenerationError::Unrecorded(error)),
        }
    }

    /// Saves the state, retrying while the disk or the object store refuses it and while another server may have the run. Returns whether it is saved.
    fn saves(&self, run: &PausedRun) -> bool {
        let (media, slot) = (&self.shared.media, self.slot);
        let state = (run.step, &run.state);
        let write = || match media.pictures() {
            None => write_if_open(slot, || media.write_state(&slot.key, &run.header, state, true)),
            Some(_) => {
                let bytes = state_bytes(&run.header, run.step, &run.state)?;
                Ok(store_object(media, slot, TraceKind::State, run.step, bytes)?)
            }
        };
        match self.retry(write, Unwritten::waits_for, || self.is_over()) {
            Ok(written) => written.is_some(),
            Err(error) => {
                tracing::warn!(task.id = %self.task.id, %error, "the steps of a paused picture could not be saved; it starts again when it is resumed");
                false
            }
        }
    }
}
