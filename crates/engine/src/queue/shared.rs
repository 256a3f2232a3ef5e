//! State that the engine and all workers share.

use super::{admission::Admission, control::Control};
use crate::{Announce, Media, Models, Statistics, injected::FaultInjector, slot::Slots};
use protocol::{TaskId, TaskStatus};
use std::sync::{Arc, atomic::AtomicBool};
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
    pub(crate) runtime: Handle,
}

impl Shared {
    pub(crate) fn new(
        store: Store,
        media: Arc<Media>,
        models: Arc<Models>,
        announce: Arc<dyn Announce>,
        paused: bool,
        faults: Arc<FaultInjector>,
    ) -> Self {
        Self {
            store,
            media,
            models,
            announce,
            slots: Arc::default(),
            control: Arc::new(Control::new(paused)),
            admission: Admission::default(),
            statistics: Statistics::default(),
            faults,
            has_lost_claim: AtomicBool::new(false),
            runtime: Handle::current(),
        }
    }

    /// As [`Store::end_task`].
    pub(crate) async fn end(&self, id: TaskId, from: &[TaskStatus], end: End) -> Result<Ended, StoreError> {
        self.faults.database_error()?;
        self.store.end_task(id, from, end).await
    }
}
