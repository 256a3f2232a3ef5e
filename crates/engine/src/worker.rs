//! A worker: takes the next queued task, makes its picture, tells of it, and takes the next.

use crate::{
    engine::Shared,
    generate::{Fault, Finished, Made, Workbench},
    preview::DoneStep,
    slot::Slot,
    total_steps,
};
use protocol::{
    Event, Frame, FrameEvent, GENERATOR, GenerationCompleted, GenerationFailed, GenerationIds, GenerationProgress,
    GenerationStarted, TakeId, Task, TaskStatus, media_path,
};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{OpenTask, StoreError};

/// How long a worker rests before it looks into the queue unasked: on one database another server may have
/// queued a task.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often, and how long apart, a change is tried again while the database is busy, its disk is full, or it cannot be
/// reached.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Wakes workers, keeps them waiting, stops them.
#[derive(Debug)]
pub(crate) struct Alarm {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rings: u64,
    paused: bool,
    stopping: bool,
}

impl Alarm {
    pub(crate) fn new(paused: bool) -> Self {
        Self { state: Mutex::new(State { paused, ..State::default() }), changed: Condvar::new() }
    }

    pub(crate) fn ring(&self) {
        self.change(|_| ());
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.change(|state| state.paused = paused);
    }

    pub(crate) fn stop(&self) {
        self.change(|state| state.stopping = true);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.rings += 1;
        self.changed.notify_all();
    }

    /// Rings so far: what changes after this is not slept through.
    fn rings(&self) -> u64 {
        self.lock().rings
    }

    fn sleep(&self, seen: u64, at_most: Duration) {
        let asleep = |state: &mut State| state.rings == seen && !state.stopping;
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, at_most, asleep).unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's life.
pub(crate) fn run(shared: &Shared) {
    while !shared.alarm.is_stopping() {
        let seen = shared.alarm.rings();
        if shared.alarm.is_paused() {
            shared.alarm.sleep(seen, LOOK_EVERY);
            continue;
        }
        let claimed = shared.runtime.block_on(async {
            let _told = shared.claims.write().await;
            shared.store.claim_task().await
        });
        match claimed {
            Ok(Some(claimed)) => attempt(shared, claimed),
            Ok(None) => shared.alarm.sleep(seen, LOOK_EVERY),
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the queue cannot be read; trying again");
                shared.alarm.sleep(seen, BETWEEN_TRIES);
            }
        }
    }
}

/// One attempt at a task, from its start to its event.
fn attempt(shared: &Shared, claimed: OpenTask) {
    let OpenTask { task, key, take_id } = claimed;
    let listed = shared.slots.begin(task.id, task.attempt, key);
    let attempt = Attempt { shared, slot: &listed.slot, task: &task, take_id };
    // Cancelled between being taken and being listed: whoever did it found no attempt to silence.
    if !attempt.is(TaskStatus::Running) || shared.alarm.is_stopping() {
        return;
    }
    attempt.start();
    let made = catch_unwind(AssertUnwindSafe(|| attempt.make()));
    match made {
        Ok(Ok(Made::Picture(picture))) => attempt.complete(*picture),
        // By a person: told already. By the server's end: the next start takes it up again.
        Ok(Ok(Made::Stopped)) => {}
        Ok(Err(fault)) => {
            if fault.is_of_device() {
                shared.models.forget();
            }
            attempt.fail(fault.to_string());
        }
        Err(panic) => {
            let message = panic_message(&*panic);
            tracing::error!(task.id = %task.id, panic = message, "a generation panicked");
            shared.models.forget();
            attempt.fail(format!("the generation failed unexpectedly: {message}"));
        }
    }
    drop(listed);
    shared.announce.queue_changed();
}

struct Attempt<'a> {
    shared: &'a Shared,
    slot: &'a Slot,
    task: &'a Task,
    take_id: TakeId,
}

impl Attempt<'_> {
    /// Whether the task is in this attempt and has this status, as far as can be told. A database that does not answer is
    /// no reason to drop a task, which would stay `running` and never run, nor to remove a picture: the end is guarded by
    /// the attempt, and the next start sees to the rest.
    fn is(&self, status: TaskStatus) -> bool {
        match self.insist(|| self.shared.store.task(self.task.id)) {
            Ok(now) => now.status == status && now.attempt == self.task.attempt,
            Err(StoreError::NotFound { .. }) => false,
            Err(_) => true,
        }
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

    fn start(&self) {
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

    fn make(&self) -> Result<Made, Fault> {
        let of = &self.task.parameters;
        let init_key = match of.init_take_id {
            Some(id) => {
                let start = self.block_on(|| self.shared.store.take(id)).map_err(|_| Fault::NoInitImage)?;
                Some(start.key)
            }
            None => None,
        };
        let bench = Workbench {
            models: &self.shared.models,
            media: &self.shared.media,
            decode: self.shared.statistics.decode(&of.model, of.width, of.height),
            init_key,
            fault: &self.shared.fault,
        };
        bench.generate(self.task, self.slot, &|done| self.tell_step(done))
    }

    fn tell_step(&self, done: DoneStep) {
        self.slot.advance(done.step, Some(done.eta_ms), |progress| {
            self.shared.announce.announce(Event::GenerationProgress(GenerationProgress {
                of: self.ids(),
                step: progress.step,
                total_steps: done.total,
                preview_path: self.path(),
                eta_ms: progress.eta_ms,
            }));
        });
    }

    fn complete(&self, picture: Finished) {
        let etag = match self.slot.if_open(|| self.shared.media.write_final(&self.slot.key, &picture.png)) {
            Some(Ok(etag)) => etag,
            Some(Err(error)) => return self.fail(format!("the picture could not be written: {error}")),
            None => return,
        };
        self.shared.statistics.add(&self.task.parameters, &picture.costs);
        let step = picture.step;
        let completed =
            self.insist(|| self.shared.store.complete_task(self.task.id, self.task.attempt, etag.clone(), step));
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
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn std::error::Error, "a finished picture could not be recorded");
                self.fail("the picture could not be recorded in the database".to_owned());
            }
        }
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

    fn fail(&self, error: String) {
        tracing::warn!(task.id = %self.task.id, error, "generation failed");
        let ended = self.insist(|| self.shared.store.fail_attempt(self.task.id, self.task.attempt, error.clone()));
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
            Err(error) => {
                tracing::error!(task.id = %self.task.id, error = &error as &dyn std::error::Error, "a failure could not be recorded; the next start takes the task up again");
            }
        }
    }

    /// A change that waits for a database that is busy, full, or gone for a moment; not while the server stops, for the
    /// next start takes up what was left.
    fn insist<T, F: Future<Output = Result<T, StoreError>>>(&self, call: impl Fn() -> F) -> Result<T, StoreError> {
        for _ in 1..TRIES {
            match self.block_on(&call) {
                Err(error) if error.may_pass() && !self.shared.alarm.is_stopping() => std::thread::sleep(BETWEEN_TRIES),
                done => return done,
            }
        }
        self.block_on(&call)
    }

    fn block_on<F: Future>(&self, call: impl FnOnce() -> F) -> F::Output {
        self.shared.runtime.block_on(call())
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
