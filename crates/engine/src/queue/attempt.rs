//! One attempt at a task: it starts, generates its picture, retries after temporary errors, and ends.

use super::{
    error::GenerationError,
    generate::{Finished, Generator, Outcome, Sources},
    inputs::Inputs,
    overnight::Aside,
    shared::Shared,
};
use crate::{
    models::Watch,
    retry::{self, Backoff},
    slot::Slot,
};
use protocol::{ModelLoading, Parameters, TakeId, Task, TaskStatus};
use std::{
    error::Error,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{End, KeyedTake, StoreError, TraceKind};

/// How long loading a model is retried while the disk reports errors. The disk may be broken for good, and tasks for other
/// models wait in the queue. Saving a finished picture is retried without a limit, because the picture would be lost.
const DISK_RETRY_LIMIT: Duration = Duration::from_secs(60);

/// How often a retry delay checks for a stop of the server or a cancellation.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) struct Attempt<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) slot: &'a Arc<Slot>,
    pub(crate) task: &'a Task,
    pub(crate) take_id: TakeId,
}

impl Attempt<'_> {
    /// Whether the task has this status and is in this attempt. True if the database cannot be read: a dropped task would
    /// stay `running` for ever, and a removed picture would be lost. The update at the end checks the attempt again.
    pub(crate) fn is(&self, status: TaskStatus) -> bool {
        let read = || self.block_on(|| self.shared.store.get_task(self.task.id));
        match self.retry(read, StoreError::waits_for, || self.is_over()) {
            Ok(now) => now.status == status && now.attempt == self.task.attempt,
            Err(StoreError::NotFound { .. }) => false,
            Err(_) => true,
        }
    }

    /// Whether the attempt should stop: it was cancelled, or the server stops and the next start runs the task again.
    pub(crate) fn is_over(&self) -> bool {
        self.slot.is_stopped() || self.shared.control.is_stopping()
    }

    pub(crate) fn log_start(&self) {
        tracing::info!(task.id = %self.task.id, frame.id = %self.task.frame_id, attempt = self.task.attempt, "generation started");
    }

    /// Generates the picture. When it is changed, it goes on with the changed task, which `steered` has afterwards.
    pub(crate) fn generate(&self, steered: &mut Option<Task>) -> Result<Outcome, GenerationError> {
        if let Some(finished) = self.spooled() {
            return Ok(Outcome::Picture(Box::new(finished)));
        }
        loop {
            let now = Attempt { task: steered.as_ref().unwrap_or(self.task), ..*self };
            let run = match now.generate_until_steered()? {
                Outcome::Steered(run) => run,
                ended => return Ok(ended),
            };
            let Some(task) = now.steer(&run)? else { return Ok(Outcome::Stopped) };
            *steered = Some(task);
        }
    }

    /// Generates the picture, or stops to be changed. Retries temporary errors before the first sampling step until they pass.
    fn generate_until_steered(&self) -> Result<Outcome, GenerationError> {
        let started = Instant::now();
        let is_worth_it = |why: &&str| *why != retry::DISK_ERRORS || started.elapsed() < DISK_RETRY_LIMIT;
        let waits_for = |error: &GenerationError| error.waits_for().filter(is_worth_it);
        let generator = self.generator();
        let inputs = self.retry(|| self.prepare(&generator), waits_for, || self.is_over())?;
        let generate = || generator.generate(&inputs, self.task, self.slot, self);
        let generated = self.retry(generate, waits_for, || self.is_over());
        self.end_reports();
        generated
    }

    fn generator(&self) -> Generator<'_> {
        let of = &self.task.parameters;
        Generator {
            models: &self.shared.models,
            media: &self.shared.media,
            decode: self.shared.statistics.decode(&of.model, of.width, of.height),
            traces: self.shared.traces(),
            save_interval: self.shared.save_interval(),
            faults: &self.shared.faults,
            aside: Aside::new(self.shared, self.slot),
        }
    }

    fn prepare(&self, generator: &Generator<'_>) -> Result<Inputs, GenerationError> {
        self.shared.faults.open_error().map_err(GenerationError::InitImage)?;
        let Parameters { init_take_id, branch_of, model, .. } = &self.task.parameters;
        // A branch has its initial picture in the steps that it shares.
        let init = init_take_id.filter(|_| branch_of.is_none()).map(|id| self.find_take(id)).transpose()?;
        let init = init.map(|take| take.ok_or(GenerationError::NoInitImage)).transpose()?;
        let branch = branch_of.map(|id| self.find_take(id)).transpose()?.flatten();
        let loading = Loading { shared: self.shared, slot: self.slot, model };
        let sources = Sources { init: init.as_ref(), branch: branch.as_ref().map(|take| take.key.as_str()) };
        generator.prepare(self.task, &self.slot.key, sources, &loading)
    }

    /// A take; none if there is no such take any more.
    fn find_take(&self, take: TakeId) -> Result<Option<KeyedTake>, GenerationError> {
        match self.block_on(|| self.shared.store.get_take(take)) {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(GenerationError::Database(error)),
        }
    }

    /// Stores the picture, retrying while that is refused, and records it in the database. Returns whether the database
    /// was asked to record it: then it may have done so even if it returned an error.
    pub(crate) fn complete(&self, picture: Finished) -> bool {
        let stored = match self.store_finished(&picture) {
            Ok(Some(stored)) => stored,
            Ok(None) => return false,
            Err(_) if self.is_over() => return false,
            Err(error) => {
                self.fail(format!("the picture could not be written: {error}"));
                return false;
            }
        };
        if let Some(costs) = &picture.costs {
            self.shared.statistics.add(&self.task.parameters, costs);
        }
        let step = picture.step;
        let completed =
            self.change(|| self.shared.store.complete_task(self.task.id, self.task.attempt, stored.clone(), step));
        match completed {
            Ok(_) => {
                self.remove_state();
                self.log_completed(step);
                self.remove_spooled();
            }
            // The connection broke after the change was committed, and a retry found it completed.
            Err(StoreError::Conflict { .. }) if self.is(TaskStatus::Completed) => self.log_completed(step),
            // Cancelled during the write: the cancellation removed the preview, and this removes the final picture.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {
                if let Some(cluster) = &self.shared.cluster {
                    cluster.counts.fenced_result();
                }
                self.remove_picture();
            }
            Err(_) if self.is_over() => {}
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn Error, "a finished picture could not be recorded");
                self.fail("the picture could not be recorded in the database".to_owned());
            }
        }
        true
    }

    /// Removes the saved state of a picture that is finished. One that stays is removed at the next start.
    fn remove_state(&self) {
        let media = &self.shared.media;
        if let Err(error) = media.remove_state(&self.slot.key) {
            tracing::warn!(task.id = %self.task.id, %error, "the saved state of a finished picture could not be removed");
        }
        if let Err(error) = self.block_on(|| media.forget_trace_object(&self.slot.key, TraceKind::State)) {
            tracing::debug!(task.id = %self.task.id, %error, "the saved state of a finished picture is removed later");
        }
    }

    /// Removes the picture of an attempt that was not recorded. Where other servers use the folder it may be the picture of a
    /// later attempt, unless the take is gone.
    fn remove_picture(&self) {
        match &self.shared.cluster {
            Some(cluster) => self.block_on(|| cluster.give_up(self.slot)),
            None => _ = self.shared.media.remove(&self.slot.key),
        }
    }

    fn log_completed(&self, step: u32) {
        tracing::info!(task.id = %self.task.id, frame.id = %self.task.frame_id, step, "generation completed");
    }

    pub(crate) fn fail(&self, error: String) {
        tracing::warn!(task.id = %self.task.id, error, "generation failed");
        let ended = self.change(|| self.shared.store.fail_attempt(self.task.id, self.task.attempt, error.clone()));
        match ended {
            // An error: cancelled meanwhile.
            Ok(_) | Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(_) if self.is_over() => {}
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn Error, "a failure could not be recorded; the next start takes the task up again");
            }
        }
    }

    /// Records a cancellation that the database refused at the time of the request.
    pub(crate) fn record_cancellation(&self, may_be_completed: bool) {
        if !may_be_completed {
            // No other thread writes this file, and the database may need the space.
            self.remove_picture();
        }
        let ended = self.retry(
            || self.block_on(|| self.shared.end(self.task.id, &[TaskStatus::Running], End::Cancelled)),
            StoreError::waits_for,
            || self.shared.control.is_stopping(),
        );
        match ended {
            // An error: it ended in another way before.
            Ok(_) | Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(task.id = %self.task.id, error = &error as &dyn Error, "a cancellation could not be recorded; the next start takes the task up again");
            }
        }
    }

    /// Changes the database; retries while it is busy, full, read-only or unreachable.
    pub(super) fn change<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Result<T, StoreError> {
        let call = || self.shared.faults.database_error().and_then(|()| self.block_on(&call));
        self.retry(call, StoreError::waits_for, || self.is_over())
    }

    /// Repeats a call while it fails with a temporary error, and publishes what the task waits for. Returns the result of
    /// the first call that succeeds, fails permanently, or fails after `gives_up`.
    pub(super) fn retry<T, E: Error + 'static>(
        &self,
        mut call: impl FnMut() -> Result<T, E>,
        waits_for: impl Fn(&E) -> Option<&'static str>,
        gives_up: impl Fn() -> bool,
    ) -> Result<T, E> {
        let (mut backoff, mut waiting) = (Backoff::new(), None);
        loop {
            let done = call();
            let reason = done.as_ref().err().and_then(&waits_for).filter(|_| !gives_up());
            if waiting != reason {
                match &done {
                    Err(error) if reason.is_some() => {
                        tracing::warn!(task.id = %self.task.id, error = error as &dyn Error, "a generation waits until this has passed");
                    }
                    _ => tracing::info!(task.id = %self.task.id, "a generation waits no longer"),
                }
                self.slot.wait_for(reason, |progress| self.publish_progress(progress));
                waiting = reason;
            }
            if reason.is_none() {
                return done;
            }
            sleep(backoff.next(), &gives_up);
        }
    }

    pub(super) fn block_on<F: Future>(&self, call: impl FnOnce() -> F) -> F::Output {
        self.shared.runtime.block_on(call())
    }
}

/// Shows in the queue how far the attempt's model is loaded, until it is dropped.
pub(crate) struct Loading<'a> {
    shared: &'a Shared,
    slot: &'a Slot,
    model: &'a str,
}

impl Watch for Loading<'_> {
    fn loaded(&self, percent: u8) {
        if self.slot.set_loading(Some(ModelLoading { model: self.model.to_owned(), percent })) {
            self.shared.announce.queue_changed();
        }
    }

    fn warn(&self, why: String) {
        tracing::warn!(task.id = %self.slot.task_id, why, "a picture may not fit into memory");
        self.slot.warn(why);
    }

    fn is_over(&self) -> bool {
        self.slot.is_stopped() || self.shared.control.is_stopping()
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if self.slot.set_loading(None) {
            self.shared.announce.queue_changed();
        }
    }
}

/// Sleeps for `time`, or until `gives_up`.
fn sleep(time: Duration, gives_up: impl Fn() -> bool) {
    let deadline = Instant::now() + time;
    while !gives_up() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(CHECK_INTERVAL));
    }
}
