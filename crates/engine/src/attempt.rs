//! One attempt at a task: how it starts, makes its picture, waits for faults that pass, and ends.

use crate::{
    engine::Shared,
    generate::{Fault, Finished, Made, Ready, Workbench},
    passing::{self, Backoff},
    preview::DoneStep,
    slot::{Progress, Slot},
    total_steps,
};
use protocol::{
    Event, Frame, FrameEvent, GENERATOR, GenerationCompleted, GenerationFailed, GenerationIds, GenerationProgress,
    GenerationStarted, TakeId, Task, TaskStatus, media_path,
};
use std::{
    error::Error,
    future::Future,
    time::{Duration, Instant},
};
use store::{End, StoreError};

/// How long a disk that reports errors is asked again for a model. It may be broken for good, and tasks for other models
/// wait behind this one; nothing is lost by trying again later. A finished picture is kept without a limit.
const DISK_ERRORS_PASS_WITHIN: Duration = Duration::from_secs(60);

/// How long a wait goes on after the server was told to stop, or the task was cancelled.
const NOTICED_WITHIN: Duration = Duration::from_millis(20);

pub(crate) struct Attempt<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) slot: &'a Slot,
    pub(crate) task: &'a Task,
    pub(crate) take_id: TakeId,
}

impl Attempt<'_> {
    /// Whether the task is in this attempt and has this status, as far as can be told. A database that does not answer is
    /// no reason to drop a task, which would stay `running` and never run, nor to remove a picture: the end is guarded by
    /// the attempt, and the next start sees to the rest.
    pub(crate) fn is(&self, status: TaskStatus) -> bool {
        let read = || self.block_on(|| self.shared.store.task(self.task.id));
        match self.insist(read, StoreError::waits_for, || self.is_over()) {
            Ok(now) => now.status == status && now.attempt == self.task.attempt,
            Err(StoreError::NotFound { .. }) => false,
            Err(_) => true,
        }
    }

    /// Whether nobody waits for its picture any more: it was cancelled, or the server stops and the next start makes it.
    pub(crate) fn is_over(&self) -> bool {
        self.slot.is_stopped() || self.shared.alarm.is_stopping()
    }

    fn ids(&self) -> GenerationIds {
        GenerationIds {
            task_id: self.task.id,
            frame_id: self.task.frame_id,
            project_id: self.task.project_id,
            take_id: self.take_id,
            attempt: self.task.attempt,
        }
    }

    fn path(&self) -> String {
        media_path(&self.slot.key)
    }

    pub(crate) fn start(&self) {
        let frame = self.block_on(|| self.shared.store.frame(self.task.frame_id)).ok();
        tracing::info!(task.id = %self.task.id, frame.id = %self.task.frame_id, attempt = self.task.attempt, "generation started");
        self.slot.if_open(|| {
            self.shared.announce.announce(Event::GenerationStarted(GenerationStarted {
                of: self.ids(),
                preview_path: self.path(),
                total_steps: total_steps(&self.task.parameters),
                generator: GENERATOR.to_owned(),
            }));
            if let Some(frame) = frame {
                self.shared.announce.announce(Event::FrameUpdated(FrameEvent::from(frame)));
            }
        });
        self.shared.announce.queue_changed();
    }

    /// Makes the picture. What fails before the first step, and may pass, is tried again until it has passed.
    pub(crate) fn make(&self) -> Result<Made, Fault> {
        let started = Instant::now();
        let is_worth_it = |why: &&str| *why != passing::DISK_ERRORS || started.elapsed() < DISK_ERRORS_PASS_WITHIN;
        let waits_for = |fault: &Fault| fault.waits_for().filter(is_worth_it);
        let bench = self.workbench();
        let ready = self.insist(|| self.prepare(&bench), waits_for, || self.is_over())?;
        let generate = || bench.generate(&ready, self.task, self.slot, &|done| self.tell_step(done));
        self.insist(generate, waits_for, || self.is_over())
    }

    fn workbench(&self) -> Workbench<'_> {
        let of = &self.task.parameters;
        Workbench {
            models: &self.shared.models,
            media: &self.shared.media,
            decode: self.shared.statistics.decode(&of.model, of.width, of.height),
            fault: &self.shared.fault,
        }
    }

    fn prepare(&self, bench: &Workbench<'_>) -> Result<Ready, Fault> {
        self.shared.fault.opening().map_err(Fault::InitImage)?;
        let init_key = match self.task.parameters.init_take_id {
            Some(id) => match self.block_on(|| self.shared.store.take(id)) {
                Ok(start) => Some(start.key),
                Err(StoreError::NotFound { .. }) => return Err(Fault::NoInitImage),
                Err(error) => return Err(Fault::Database(error)),
            },
            None => None,
        };
        bench.prepare(self.task, init_key.as_deref(), self.slot)
    }

    fn tell_step(&self, done: DoneStep) {
        self.slot.advance(done.step, Some(done.eta_ms), |progress| self.tell_progress(progress));
    }

    fn tell_progress(&self, progress: Progress) {
        self.shared.announce.announce(Event::GenerationProgress(GenerationProgress {
            of: self.ids(),
            step: progress.step,
            total_steps: total_steps(&self.task.parameters),
            preview_path: self.path(),
            eta_ms: progress.eta_ms,
            waiting_for: progress.waiting_for.map(str::to_owned),
        }));
    }

    /// Writes the picture, however long the disk does not take it, and records it. Whether the database was asked to
    /// record it: then it may have done so, whatever it answered.
    pub(crate) fn complete(&self, picture: Finished) -> bool {
        let write = || {
            let written = self.slot.if_open(|| self.shared.media.write_final(&self.slot.key, &picture.png));
            written.transpose()
        };
        let etag = match self.insist(write, passing::of_write, || self.is_over()) {
            Ok(Some(etag)) => etag,
            Ok(None) => return false,
            Err(_) if self.is_over() => return false,
            Err(error) => {
                self.fail(format!("the picture could not be written: {error}"));
                return false;
            }
        };
        self.shared.statistics.add(&self.task.parameters, &picture.costs);
        let step = picture.step;
        let completed =
            self.change(|| self.shared.store.complete_task(self.task.id, self.task.attempt, etag.clone(), step));
        match completed {
            Ok(ended) => self.tell_completed(ended.frame, etag, step),
            // A connection that broke after the change was made, and before it said so.
            Err(StoreError::Conflict { .. }) if self.is(TaskStatus::Completed) => {
                let frame = self.block_on(|| self.shared.store.frame(self.task.frame_id)).ok();
                self.tell_completed(frame, etag, step);
            }
            // Cancelled while it was written: the one who cancelled removed what stood there then, and this
            // removes what was renamed after.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {
                self.shared.media.remove(&self.slot.key).ok();
            }
            Err(_) if self.is_over() => {}
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn Error, "a finished picture could not be recorded");
                self.fail("the picture could not be recorded in the database".to_owned());
            }
        }
        true
    }

    fn tell_completed(&self, frame: Option<Frame>, etag: String, step: u32) {
        tracing::info!(task.id = %self.task.id, frame.id = %self.task.frame_id, step, "generation completed");
        self.shared.announce.announce(Event::GenerationCompleted(GenerationCompleted {
            of: self.ids(),
            final_path: self.path(),
            step,
            total_steps: total_steps(&self.task.parameters),
            generator: GENERATOR.to_owned(),
            etag,
            frame: frame.clone(),
        }));
        self.shared.tell_frame(frame, None);
    }

    pub(crate) fn fail(&self, error: String) {
        tracing::warn!(task.id = %self.task.id, error, "generation failed");
        let ended = self.change(|| self.shared.store.fail_attempt(self.task.id, self.task.attempt, error.clone()));
        match ended {
            Ok(ended) => {
                self.shared.leave_nothing(&ended);
                self.shared.announce.announce(Event::GenerationFailed(GenerationFailed {
                    of: self.ids(),
                    error,
                    frame_removed: ended.frame_removed.is_some(),
                    frame: ended.frame.clone(),
                }));
                self.shared.tell_frame(ended.frame, ended.frame_removed);
            }
            // Cancelled meanwhile, and told so.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(_) if self.is_over() => {}
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn Error, "a failure could not be recorded; the next start takes the task up again");
            }
        }
    }

    /// Records a cancellation that the database refused when a person asked for it.
    pub(crate) fn record_cancellation(&self, may_be_completed: bool) {
        if !may_be_completed {
            // This thread was the only one that writes it, and the database may need its room.
            self.shared.media.remove(&self.slot.key).ok();
        }
        let ended = self.insist(
            || self.block_on(|| self.shared.end(self.task.id, &[TaskStatus::Running], End::Cancelled)),
            StoreError::waits_for,
            || self.shared.alarm.is_stopping(),
        );
        match ended {
            Ok(ended) => self.shared.tell_cancelled(ended),
            // It ended in another way just before, and that was told.
            Err(StoreError::Conflict { .. } | StoreError::NotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(task.id = %self.task.id, error = &error as &dyn Error, "a cancellation could not be recorded; the next start takes the task up again");
            }
        }
    }

    /// A change of the database that waits for one that is busy, full, read-only, or gone for a while.
    fn change<T, F: Future<Output = Result<T, StoreError>>>(&self, call: impl Fn() -> F) -> Result<T, StoreError> {
        let call = || self.shared.fault.changing().and_then(|()| self.block_on(&call));
        self.insist(call, StoreError::waits_for, || self.is_over())
    }

    /// Repeats a call as long as it fails of something that may pass, and says what the task waits for. The last error
    /// is the answer where that stays, or where it is given up.
    fn insist<T, E: Error + 'static>(
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
                self.slot.wait_for(reason, |progress| self.tell_progress(progress));
                waiting = reason;
            }
            if reason.is_none() {
                return done;
            }
            rest(backoff.next(), &gives_up);
        }
    }

    fn block_on<F: Future>(&self, call: impl FnOnce() -> F) -> F::Output {
        self.shared.runtime.block_on(call())
    }
}

/// Sleeps so long, or until there is nothing to wait for.
fn rest(time: Duration, gives_up: impl Fn() -> bool) {
    let deadline = Instant::now() + time;
    while !gives_up() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(NOTICED_WITHIN));
    }
}
