//! The engine: what the server asks of the workers.

use crate::{
    Announce, InjectedFault, Media, Models, Progress, Statistics,
    alarm::Alarm,
    fault::PendingFault,
    priority,
    slot::{Slot, Slots},
    turn::Turns,
    worker,
};
use protocol::{Event, Frame, FrameEvent, GenerationCancelled, GenerationIds, Task, TaskId, TaskStatus};
use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use store::{End, Ended, Store, StoreError};
use tokio::{
    runtime::Handle,
    sync::{RwLock, RwLockReadGuard},
};

/// How an engine works.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// Generations at the same time, on one loaded model.
    pub concurrency: NonZeroUsize,
    /// Whether waiting tasks stay waiting at first.
    pub paused: bool,
    /// For tests of the recovery only.
    pub fault: Option<InjectedFault>,
}

/// The workers and what they share. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    workers: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) media: Arc<Media>,
    pub(crate) models: Arc<Models>,
    pub(crate) announce: Arc<dyn Announce>,
    pub(crate) slots: Slots,
    pub(crate) alarm: Alarm,
    pub(crate) turns: Turns,
    pub(crate) statistics: Statistics,
    pub(crate) fault: Arc<PendingFault>,
    /// Whether a claim failed, and may have been made all the same: a task may run by the database that no worker has.
    pub(crate) is_unsettled: AtomicBool,
    /// Held for writing while a task is taken, for reading while one is made and told of.
    pub(crate) claims: RwLock<()>,
    pub(crate) runtime: Handle,
}

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task does not run.
    #[error("task {task} does not run; only a running one can be kept")]
    NotRunning {
        /// Which.
        task: TaskId,
    },
    /// The task is stopped and leaves nothing; the database could not record it yet.
    #[error("task {task} is stopped; that it is cancelled is recorded as soon as the database takes it ({reason})")]
    CancelledUnrecorded {
        /// Which.
        task: TaskId,
        /// What the database waits for.
        reason: &'static str,
    },
}

/// How long the answer to "cancel" waits for a database that refuses the change: the worker frees its picture's room and
/// tries again.
const CANCEL_WAITS: Duration = Duration::from_secs(5);

impl Engine {
    /// Starts the workers on threads of their own, and has the processor's other work come before theirs. [`crate::recovery`] comes first: workers take every queued
    /// task as theirs.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub fn start(
        store: Store,
        media: Arc<Media>,
        models: Arc<Models>,
        announce: Arc<dyn Announce>,
        options: EngineOptions,
    ) -> io::Result<Self> {
        let fault = Arc::new(PendingFault::new(options.fault));
        media.inject(&fault);
        let shared = Arc::new(Shared {
            store,
            media,
            models,
            announce,
            slots: Slots::default(),
            alarm: Alarm::new(options.paused),
            turns: Turns::default(),
            statistics: Statistics::default(),
            fault,
            is_unsettled: AtomicBool::new(false),
            claims: RwLock::new(()),
            runtime: Handle::current(),
        });
        priority::give_way();
        let mut workers = Vec::new();
        for number in 0..options.concurrency.get() {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(format!("sampler-{number}"));
            workers.push(thread.spawn(move || worker::run(&shared))?);
        }
        Ok(Self { shared, workers: Arc::new(Mutex::new(workers)) })
    }

    /// A task was queued: a free worker takes it.
    pub fn wake(&self) {
        self.shared.alarm.ring();
    }

    /// As long as the answer lives, no worker takes a task: what is queued meanwhile can be told of before it
    /// starts.
    pub async fn hold_claims(&self) -> RwLockReadGuard<'_, ()> {
        self.shared.claims.read().await
    }

    /// Keeps waiting tasks waiting, or lets them run. Running ones go on.
    pub fn pause(&self, paused: bool) {
        self.shared.alarm.pause(paused);
    }

    /// Whether waiting tasks stay waiting.
    pub fn is_paused(&self) -> bool {
        self.shared.alarm.is_paused()
    }

    /// How far a running task has come.
    pub fn progress(&self, task: TaskId) -> Option<Progress> {
        self.shared.slots.get(task).map(|slot| slot.progress())
    }

    /// What a person should know of a running task, in words.
    pub fn warning(&self, task: TaskId) -> Option<String> {
        self.shared.slots.get(task).and_then(|slot| slot.warning())
    }

    /// The models.
    pub fn models(&self) -> &Arc<Models> {
        &self.shared.models
    }

    /// The pictures.
    pub fn media(&self) -> &Arc<Media> {
        &self.shared.media
    }

    /// What generations cost.
    pub fn statistics(&self) -> &Statistics {
        &self.shared.statistics
    }

    /// Stops a queued or running task for good and leaves nothing of it. It is over when this returns; the
    /// sampler notices within its step.
    ///
    /// # Errors
    /// No such task, or one that has ended already.
    pub async fn cancel(&self, id: TaskId) -> Result<Task, EngineError> {
        let from = [TaskStatus::Queued, TaskStatus::Running];
        match self.shared.end(id, &from, End::Cancelled).await {
            Ok(ended) => {
                let task = ended.task.clone();
                self.shared.tell_cancelled(ended);
                Ok(task)
            }
            Err(error) => match (error.waits_for(), self.shared.slots.get(id)) {
                (Some(reason), Some(slot)) => self.cancel_once_possible(id, &slot, reason).await,
                _ => Err(error.into()),
            },
        }
    }

    /// Stops a running task whose cancellation the database cannot record: its worker records it as soon as it can.
    async fn cancel_once_possible(
        &self,
        id: TaskId,
        slot: &Arc<Slot>,
        reason: &'static str,
    ) -> Result<Task, EngineError> {
        slot.cancel();
        self.wait_for_end(id, slot, CANCEL_WAITS).await;
        match self.shared.store.task(id).await {
            Ok(task) if task.status == TaskStatus::Cancelled => Ok(task),
            _ => Err(EngineError::CancelledUnrecorded { task: id, reason }),
        }
    }

    /// Waits (`at_most`) until an attempt is over.
    async fn wait_for_end(&self, id: TaskId, slot: &Arc<Slot>, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        while self.shared.slots.get(id).is_some_and(|now| Arc::ptr_eq(&now, slot)) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends a running task with the estimate that it has, and waits (`at_most`) until its picture is final.
    /// The task as it is then.
    ///
    /// # Errors
    /// A task that does not run.
    pub async fn keep(&self, id: TaskId, at_most: Duration) -> Result<Task, EngineError> {
        // One that was cancelled is listed until its sampler notices.
        let slot = self.shared.slots.get(id).filter(|slot| slot.if_open(|| slot.keep()).is_some());
        let Some(slot) = slot else {
            // Names a task that does not exist as such.
            self.shared.store.task(id).await?;
            return Err(EngineError::NotRunning { task: id });
        };
        self.wait_for_end(id, &slot, at_most).await;
        Ok(self.shared.store.task(id).await?)
    }

    /// Stops the workers: what runs stays `running` in the database, and the next start takes it up again.
    /// Waits for them (`at_most`); true when all have ended.
    pub async fn stop(&self, at_most: Duration) -> bool {
        self.shared.alarm.stop();
        // Listed after this they see the alarm themselves, before they sample.
        self.shared.slots.all().iter().for_each(|slot| slot.stop());
        let deadline = Instant::now() + at_most;
        loop {
            let running = {
                let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
                workers.retain(|worker| !worker.is_finished());
                workers.len()
            };
            if running == 0 || Instant::now() >= deadline {
                return running == 0;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Shared {
    /// As [`Store::end_task`].
    pub(crate) async fn end(&self, id: TaskId, from: &[TaskStatus], end: End) -> Result<Ended, StoreError> {
        self.fault.changing()?;
        self.store.end_task(id, from, end).await
    }

    /// After a cancellation is recorded: nothing is left of the task, and everybody is told.
    pub(crate) fn tell_cancelled(&self, ended: Ended) {
        self.leave_nothing(&ended);
        let Ended { task, frame, frame_removed, take_id, .. } = ended;
        self.announce.announce(Event::GenerationCancelled(GenerationCancelled {
            of: GenerationIds {
                task_id: task.id,
                frame_id: task.frame_id,
                project_id: task.project_id,
                take_id,
                attempt: task.attempt,
            },
            frame_removed: frame_removed.is_some(),
            frame: frame.clone(),
        }));
        self.tell_frame(frame, frame_removed);
        self.announce.queue_changed();
    }

    /// After a task has ended without a picture: its attempt is silenced and its file removed.
    pub(crate) fn leave_nothing(&self, ended: &Ended) {
        if let Some(slot) = self.slots.get(ended.task.id) {
            slot.close();
        }
        if let Err(error) = self.media.remove(&ended.key) {
            tracing::warn!(task.id = %ended.task.id, %error, "a preview could not be removed; the next start removes it");
        }
    }

    /// A frame's new state after a task has ended.
    pub(crate) fn tell_frame(&self, frame: Option<Frame>, removed: Option<Frame>) {
        if let Some(frame) = removed {
            self.announce.announce(Event::FrameDeleted(FrameEvent::from(frame)));
        } else if let Some(frame) = frame {
            self.announce.announce(Event::FrameUpdated(FrameEvent::from(frame)));
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("models", &self.shared.models).finish_non_exhaustive()
    }
}
