//! State that the engine and all workers share.

use super::{admission::Admission, control::Control};
use crate::{Announce, Media, Models, Statistics, TraceLimits, injected::FaultInjector, slot::Slots, traces};
use protocol::{Event, Frame, FrameEvent, GenerationCancelled, GenerationIds, TaskId, TaskStatus};
use std::sync::{Arc, PoisonError, RwLock as StdRwLock, atomic::AtomicBool};
use store::{End, Ended, Store, StoreError};
use tokio::{runtime::Handle, sync::RwLock};

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) media: Arc<Media>,
    pub(crate) models: Arc<Models>,
    pub(crate) announce: Arc<dyn Announce>,
    pub(crate) slots: Slots,
    pub(crate) control: Control,
    pub(crate) admission: Admission,
    pub(crate) statistics: Statistics,
    pub(crate) faults: Arc<FaultInjector>,
    /// Whether a claim failed but may have been committed: a task may be `running` without a worker.
    pub(crate) has_lost_claim: AtomicBool,
    /// Locked for writing during a claim, for reading while a task is created and published.
    pub(crate) claims: RwLock<()>,
    /// What is kept of how pictures form.
    traces: StdRwLock<TraceLimits>,
    pub(crate) runtime: Handle,
}

impl Shared {
    pub(crate) fn new(
        store: Store,
        media: Arc<Media>,
        models: Arc<Models>,
        announce: Arc<dyn Announce>,
        paused: bool,
        traces: TraceLimits,
        faults: Arc<FaultInjector>,
    ) -> Self {
        Self {
            store,
            media,
            models,
            announce,
            slots: Slots::default(),
            control: Control::new(paused),
            admission: Admission::default(),
            statistics: Statistics::default(),
            faults,
            has_lost_claim: AtomicBool::new(false),
            claims: RwLock::new(()),
            traces: StdRwLock::new(traces),
            runtime: Handle::current(),
        }
    }

    pub(crate) fn traces(&self) -> TraceLimits {
        *self.traces.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_traces(&self, limits: TraceLimits) {
        *self.traces.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Removes the oldest traces if they take more space than allowed. Those of running tasks stay.
    pub(crate) fn remove_old_traces(&self) {
        let in_use = self.slots.all().iter().map(|slot| slot.key.clone()).collect();
        let removed = traces::remove_oldest(&self.media, &self.store, self.traces(), &in_use);
        if let Err(error) = self.runtime.block_on(removed) {
            tracing::warn!(%error, "old traces could not be removed; the end of the next picture tries again");
        }
    }

    /// As [`Store::end_task`].
    pub(crate) async fn end(&self, id: TaskId, from: &[TaskStatus], end: End) -> Result<Ended, StoreError> {
        self.faults.database_error()?;
        self.store.end_task(id, from, end).await
    }

    /// After a cancellation is recorded: stops the attempt, removes its file and publishes the events.
    pub(crate) fn publish_cancelled(&self, ended: Ended) {
        self.discard(&ended);
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
        self.publish_frame(frame, frame_removed);
        self.announce.queue_changed();
    }

    /// After a task has ended without a picture: closes its slot and removes its file.
    pub(crate) fn discard(&self, ended: &Ended) {
        if let Some(slot) = self.slots.get(ended.task.id) {
            slot.close();
        }
        if let Err(error) = self.media.remove(&ended.key) {
            tracing::warn!(task.id = %ended.task.id, %error, "a preview could not be removed; the next start removes it");
        }
    }

    /// Publishes a frame's new state after a task has ended.
    pub(crate) fn publish_frame(&self, frame: Option<Frame>, removed: Option<Frame>) {
        if let Some(frame) = removed {
            self.announce.announce(Event::FrameDeleted(FrameEvent::from(frame)));
        } else if let Some(frame) = frame {
            self.announce.announce(Event::FrameUpdated(FrameEvent::from(frame)));
        }
    }
}
