//! State that the engine and all workers share.

use super::{admission::Admission, control::Control};
use crate::{
    Announce, Media, Models, ReadInterrupted, ReadTraceLimits, Statistics, TraceLimits, cluster::Cluster,
    injected::FaultInjector, needs::DRAWING_PROTOCOL, slots::Slots, traces,
};
use protocol::{TaskId, TaskStatus};
use std::{
    sync::{Arc, PoisonError, RwLock as StdRwLock, atomic::AtomicBool},
    time::Duration,
};
use store::{End, Ended, Store, StoreError};
use tokio::runtime::Handle;

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) media: Arc<Media>,
    pub(crate) models: Arc<Models>,
    pub(crate) announce: Arc<dyn Announce>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) control: Arc<Control>,
    pub(crate) admission: Admission,
    pub(crate) statistics: Statistics,
    pub(crate) faults: Arc<FaultInjector>,
    /// Whether a claim failed but may have been committed: a task may be `running` without a worker.
    pub(crate) has_lost_claim: AtomicBool,
    /// What is kept of how pictures form.
    traces: StdRwLock<TraceLimits>,
    read_traces: ReadTraceLimits,
    /// The version of the drawing protocol that this process draws.
    pub(crate) protocol: u32,
    /// This server beside others; none on SQLite.
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) runtime: Handle,
}

impl Shared {
    #[allow(clippy::too_many_arguments, reason = "each is a part that the engine is made of")]
    pub(crate) fn new(
        store: Store,
        media: Arc<Media>,
        models: Arc<Models>,
        announce: Arc<dyn Announce>,
        paused: bool,
        (traces, read_traces): (TraceLimits, ReadTraceLimits),
        faults: Arc<FaultInjector>,
        interrupted: ReadInterrupted,
    ) -> Self {
        let slots = Arc::default();
        let cluster = Cluster::of(&store, &media, &slots, interrupted);
        Self {
            store,
            media,
            models,
            announce,
            slots,
            control: Arc::new(Control::new(paused)),
            admission: Admission::default(),
            statistics: Statistics::default(),
            faults,
            has_lost_claim: AtomicBool::new(false),
            traces: StdRwLock::new(traces),
            read_traces,
            protocol: DRAWING_PROTOCOL,
            cluster,
            runtime: Handle::current(),
        }
    }

    /// What is kept of how pictures form. Another server may have changed it. Blocks.
    pub(crate) fn traces(&self) -> TraceLimits {
        if self.cluster.is_some()
            && let Some(limits) = self.runtime.block_on((self.read_traces)(self.store.clone()))
        {
            self.set_traces(limits);
            return limits;
        }
        *self.traces.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Least time between two states of a picture that are saved for a server that is killed.
    pub(crate) fn save_interval(&self) -> Duration {
        match self.media.pictures() {
            Some(_) => self.store.lease() * traces::SAVE_LEASES,
            None => traces::SAVE_INTERVAL,
        }
    }

    pub(crate) fn set_traces(&self, limits: TraceLimits) {
        *self.traces.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Removes the oldest traces if they take more space than allowed. Those of running tasks and pinned ones stay.
    pub(crate) fn remove_old_traces(&self) {
        let in_use = self.slots.all().iter().map(|slot| slot.key.clone()).collect();
        let removed = traces::remove_oldest(&self.media, &self.store, self.traces(), in_use);
        if let Err(error) = self.runtime.block_on(removed) {
            tracing::warn!(%error, "old traces could not be removed; the end of the next picture tries again");
        }
    }

    /// As [`Store::end_task`].
    pub(crate) async fn end(&self, id: TaskId, from: &[TaskStatus], end: End) -> Result<Ended, StoreError> {
        self.faults.database_error()?;
        self.store.end_task(id, from, end).await
    }
}
