//! The engine: the server's handle on the workers.

use crate::{
    Announce, InjectedFault, Media, Models, OpenPicture, Progress, ReadTraceLimits, Statistics, TraceLimits,
    beside_others::beside_others,
    cluster::{self, ClusterSummary, Identity, ReadInterrupted, Remote, SharedPictureError},
    committed::Committed,
    injected::FaultInjector,
    needs::{DRAWING_PROTOCOL, needs_of},
    priority,
    queue::{self, Shared, Workers},
    slot::Slot,
    total_steps,
};
use protocol::{ModelLoading, Parameters, Task, TaskId, TaskStatus, WorkerKind};
use std::{io, num::NonZeroUsize, sync::Arc, time::Duration};
use store::{End, Store, StoreError};
use tokio::task::JoinHandle;

/// Options of an engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What this process is, for the others on its database.
    pub identity: Identity,
    /// Number of workers: generations at the same time. None: other servers make the pictures.
    pub concurrency: Option<NonZeroUsize>,
    /// Whether the queue is paused at first.
    pub paused: bool,
    /// What is kept of how pictures form, at first.
    pub traces: TraceLimits,
    /// Reads that again before each picture, where several servers share the settings.
    pub read_traces: ReadTraceLimits,
    /// Reads what becomes of tasks whose server is gone.
    pub interrupted: ReadInterrupted,
    /// The version of the drawing protocol that this process draws and that the tasks it creates need, for tests; none: its own.
    pub protocol: Option<u32>,
    /// For tests of the recovery only.
    pub fault: Option<InjectedFault>,
}

/// The workers and their shared state. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    workers: Arc<Workers>,
    remote: Arc<Remote>,
    /// Whether it has workers.
    pub(crate) makes_pictures: bool,
    /// Renew leases and report steps until the workers have ended; none on SQLite.
    beside_others: Arc<Vec<JoinHandle<()>>>,
}

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread cannot be started.
    #[error(transparent)]
    Thread(#[from] io::Error),
    /// The database's changes cannot be followed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a request to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task is not running.
    #[error("task {task} does not run; only a running or paused one can be kept")]
    NotRunning {
        /// The task.
        task: TaskId,
    },
    /// The task has ended, so it cannot be paused or resumed.
    #[error("task {task} is {}; only one that is queued, running or paused can be {to}", .status.as_str())]
    Ended {
        /// The task.
        task: TaskId,
        /// Its status.
        status: TaskStatus,
        /// What was asked for: paused, resumed.
        to: &'static str,
    },
    /// The picture has begun: its strength cannot change.
    #[error("task {task} has begun: the strength can only be changed before the first step")]
    Begun {
        /// The task.
        task: TaskId,
    },
    /// The task is stopped and leaves no files, but the database could not record the cancellation yet.
    #[error("task {task} is stopped; that it is cancelled is recorded as soon as the database takes it ({reason})")]
    CancelledUnrecorded {
        /// The task.
        task: TaskId,
        /// What the database waits for.
        reason: &'static str,
    },
}

/// How long [`Engine::cancel`] waits for a database that refuses the change. Meanwhile the worker removes its picture,
/// which may free the space that the database needs, and retries.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often [`Engine::drain`] looks whether the tasks have ended.
const DRAIN_POLL: Duration = Duration::from_millis(50);

impl Engine {
    /// Starts the workers on their own threads, and gives the computing threads a lower priority than the others.
    ///
    /// Run [`crate::recovery`] first: workers claim every queued task. From here on `announce` gets every change that the
    /// store commits, and those of other processes, unless this one is a [`WorkerKind::Worker`].
    ///
    /// # Errors
    /// A thread that cannot be started, or a database whose changes cannot be followed.
    pub async fn start(
        store: Store,
        media: Arc<Media>,
        models: Arc<Models>,
        announce: Arc<dyn Announce>,
        options: EngineOptions,
    ) -> Result<Self, StartError> {
        let faults = Arc::new(FaultInjector::new(options.fault));
        media.inject(&faults);
        // On PostgreSQL the database has no task for a claim while the queue is paused, whichever server paused it.
        let paused = options.paused && !store.is_shared();
        let traces = (options.traces, options.read_traces);
        let mut shared = Shared::new(store, media, models, announce, paused, traces, faults, options.interrupted);
        shared.protocol = options.protocol.unwrap_or(DRAWING_PROTOCOL);
        let (shared, remote) = (Arc::new(shared), Arc::<Remote>::default());
        shared.store.count_steps(total_steps);
        if shared.store.is_shared() {
            let (models, least) = (Arc::downgrade(&shared.models), options.protocol.unwrap_or(1));
            let needs = move |of: &Parameters| models.upgrade().map(|models| needs_of(of, &models, least));
            shared.store.find_needs(Box::new(move |of| needs(of).unwrap_or_default()));
        }
        let committed = Committed {
            slots: Arc::clone(&shared.slots),
            control: Arc::clone(&shared.control),
            media: Arc::clone(&shared.media),
            remote: Arc::clone(&remote),
            asked: shared.cluster.as_ref().map(|cluster| Arc::clone(&cluster.asked)).unwrap_or_default(),
            announce: Arc::clone(&shared.announce),
        };
        // A worker has no clients, and need not hear of what others do.
        let is_worker = shared.cluster.is_some() && options.identity.kind == WorkerKind::Worker;
        match is_worker {
            true => shared.store.subscribe_to_own(Arc::new(committed)),
            false => shared.store.subscribe(Arc::new(committed)).await?,
        }
        priority::lower();
        let count = options.concurrency.map_or(0, NonZeroUsize::get);
        let beside_others = beside_others(&shared, &options.identity, count);
        let for_workers = Arc::clone(&shared);
        let workers = Workers::start(count, move || queue::run_worker(&for_workers))?;
        let (workers, beside_others) = (Arc::new(workers), Arc::new(beside_others));
        Ok(Self { shared, workers, remote, makes_pictures: count > 0, beside_others })
    }

    /// Pauses or resumes the queue. Running tasks go on. On PostgreSQL the stored pause decides.
    pub fn pause(&self, paused: bool) {
        self.shared.control.pause(paused && self.shared.cluster.is_none());
    }

    /// Sets what is kept of how pictures form. Applies to tasks that start later.
    pub fn set_traces(&self, limits: TraceLimits) {
        self.shared.set_traces(limits);
    }

    /// Whether a generation is running.
    pub fn is_busy(&self) -> bool {
        !self.shared.slots.is_empty()
    }

    /// Progress of the newest attempt at a task, on any server. Also of one that has just ended: a row that was read before is
    /// shown with its last step, and not with none.
    pub fn progress(&self, task: TaskId) -> Option<Progress> {
        Progress::newest(self.remote.progress(task), self.shared.slots.progress(task))
    }

    /// A running task's warning for the user, if it has one.
    pub fn warning(&self, task: TaskId) -> Option<String> {
        self.shared.slots.get(task).and_then(|slot| slot.warning())
    }

    /// The model that is being loaded for a running task, if one is.
    pub fn loading(&self, task: TaskId) -> Option<ModelLoading> {
        self.shared.slots.get(task).and_then(|slot| slot.loading())
    }

    /// The models.
    pub fn models(&self) -> &Arc<Models> {
        &self.shared.models
    }

    /// The pictures' folder.
    pub fn media(&self) -> &Arc<Media> {
        &self.shared.media
    }

    /// What is at a picture's address, if it is not (or not known to be) what [`Engine::media`] has: where servers share the
    /// database, forming pictures are there. `version` is the ETag that the address names. None on SQLite.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no take has this key; the database does not answer.
    pub async fn shared_picture(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<OpenPicture>, SharedPictureError> {
        match &self.shared.cluster {
            Some(cluster) => cluster.picture(&self.shared.media, key, version).await,
            None => Ok(None),
        }
    }

    /// What this process has done beside others. None on SQLite.
    pub fn cluster_summary(&self) -> Option<ClusterSummary> {
        self.shared.cluster.as_ref().map(|cluster| cluster.counts.summary())
    }

    /// Time that generations took.
    pub fn statistics(&self) -> &Statistics {
        &self.shared.statistics
    }

    /// Cancels a queued, running or paused task and removes its files. When this returns, the task is cancelled; its sampler
    /// stops within one step.
    ///
    /// # Errors
    /// A task that does not exist or has ended. [`EngineError::CancelledUnrecorded`] while the database cannot record it.
    pub async fn cancel(&self, id: TaskId) -> Result<Task, EngineError> {
        let from = [TaskStatus::Queued, TaskStatus::Running, TaskStatus::Paused];
        match self.shared.end(id, &from, End::Cancelled).await {
            Ok(ended) => Ok(ended.task),
            Err(error) => match (error.waits_for(), self.shared.slots.get(id)) {
                (Some(reason), Some(slot)) => self.cancel_unrecorded(id, &slot, reason).await,
                _ => Err(error.into()),
            },
        }
    }

    /// Stops a running task whose cancellation the database cannot record. Its worker retries until it is recorded.
    async fn cancel_unrecorded(&self, id: TaskId, slot: &Slot, reason: &'static str) -> Result<Task, EngineError> {
        slot.cancel();
        slot.wait_for_end(CANCEL_TIMEOUT).await;
        match self.shared.store.get_task(id).await {
            Ok(task) if task.status == TaskStatus::Cancelled => Ok(task),
            _ => Err(EngineError::CancelledUnrecorded { task: id, reason }),
        }
    }

    /// Stops a running task's sampling and keeps its current estimate as the final picture. Waits until the picture is
    /// final, at most `at_most`. Returns the task in its state at that time. A paused task is queued at its old place, and
    /// its estimate becomes the final picture when it starts; this does not wait for that.
    ///
    /// # Errors
    /// [`EngineError::NotRunning`], or a task that does not exist.
    pub async fn keep(&self, id: TaskId, at_most: Duration) -> Result<Task, EngineError> {
        // A cancelled task is listed until its sampler stops, but its slot is closed.
        let slot = self.shared.slots.get(id).filter(|slot| slot.if_open(|| slot.keep()).is_some());
        let Some(slot) = slot else {
            // Reports a task that does not exist as such.
            let task = self.shared.store.get_task(id).await?;
            return match task.status {
                TaskStatus::Paused => Ok(self.shared.store.resume_task(id, true).await?.task),
                _ => self.keep_elsewhere(id, at_most).await,
            };
        };
        slot.wait_for_end(at_most).await;
        Ok(self.shared.store.get_task(id).await?)
    }

    /// Starts no more tasks, and waits until those that run have ended, at most `at_most`.
    pub async fn drain(&self, at_most: Duration) {
        self.shared.control.pause(true);
        let deadline = tokio::time::Instant::now() + at_most;
        while self.is_busy() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(DRAIN_POLL).await;
        }
    }

    /// Stops the workers between two steps, and saves the steps that are done. Waits for the workers, at most `at_most`.
    /// Returns whether all of them have ended. On SQLite running tasks stay `running` in the database, and after the next start
    /// they go on; on PostgreSQL they are given back to the queue.
    pub async fn stop(&self, at_most: Duration) -> bool {
        self.shared.control.stop();
        // An attempt that is listed after this checks `is_stopping` itself before it samples.
        self.shared.slots.all().iter().for_each(|slot| slot.pause());
        let have_ended = self.workers.wait(at_most).await;
        self.beside_others.iter().for_each(JoinHandle::abort);
        if let Some(cluster) = &self.shared.cluster {
            // A worker that has not ended writes and publishes nothing more.
            self.shared.slots.all().iter().for_each(|slot| _ = slot.close());
            cluster::give_back(cluster).await;
        }
        have_ended
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("models", &self.shared.models).finish_non_exhaustive()
    }
}
