//! The engine: what the server asks of the workers.

use crate::{
    Announce, InjectedFault, Media, Models, Progress, Statistics,
    fault::PendingFault,
    priority,
    slot::Slots,
    worker::{self, Alarm},
};
use protocol::{Event, Frame, FrameEvent, GenerationCancelled, GenerationIds, Task, TaskId, TaskStatus};
use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
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
    pub(crate) statistics: Statistics,
    pub(crate) fault: PendingFault,
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
}

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
        let shared = Arc::new(Shared {
            store,
            media,
            models,
            announce,
            slots: Slots::default(),
            alarm: Alarm::new(options.paused),
            statistics: Statistics::default(),
            fault: PendingFault::new(options.fault),
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
        let ended = self.shared.store.end_task(id, &from, End::Cancelled).await?;
        self.shared.leave_nothing(&ended);
        let Ended { task, frame, frame_removed, take_id, .. } = ended;
        self.shared.announce.announce(Event::GenerationCancelled(GenerationCancelled {
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
        self.shared.tell_frame(frame, frame_removed);
        self.shared.announce.queue_changed();
        Ok(task)
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
        let deadline = Instant::now() + at_most;
        while self.shared.slots.get(id).is_some_and(|now| Arc::ptr_eq(&now, &slot)) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
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
