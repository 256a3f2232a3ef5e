//! Several servers on one PostgreSQL: this server renews the leases of its runs, takes up those of servers that are gone, and
//! exchanges steps and requests with the others. On SQLite none of this runs.

mod asked;
mod counts;
mod keeper;
mod processes;
mod remote;
mod reports;
mod shown;

pub use counts::ClusterSummary;
use counts::Counts;
use keeper::sure_until;
pub(crate) use keeper::{give_back, keep_leases};
pub use processes::Identity;
pub(crate) use processes::{Processes, starts_tasks, watch_processes};
pub(crate) use remote::Remote;
pub(crate) use reports::{Reports, send_reports, vacuum};
use shown::Kept;
pub use shown::SharedPictureError;

use crate::recovery::why_interrupted;
use crate::slots::Slots;
use protocol::Interrupted;
use std::{future::Future, pin::Pin, sync::Arc, time::Instant};
use store::Store;
use tokio::sync::Notify;

/// Reads what becomes of interrupted tasks: a setting of the user's.
pub type ReadInterrupted = fn(Store) -> Pin<Box<dyn Future<Output = Interrupted> + Send>>;

/// A server beside others.
pub(crate) struct Cluster {
    store: Store,
    slots: Arc<Slots>,
    pub(crate) reports: Reports,
    /// Previews that clients of this server have read.
    kept: Kept,
    /// Notified when there is a request about a run of this server.
    pub(crate) asked: Arc<Notify>,
    interrupted: ReadInterrupted,
    pub(crate) processes: Processes,
    /// For metrics.
    pub(crate) counts: Counts,
}

impl Cluster {
    /// None where no other server can use the database.
    pub(crate) fn of(store: &Store, slots: &Arc<Slots>, interrupted: ReadInterrupted) -> Option<Arc<Self>> {
        let (store, slots) = (store.clone(), Arc::clone(slots));
        store.is_shared().then(|| {
            let (reports, kept, asked, processes, counts) = Default::default();
            Arc::new(Self { store, slots, reports, kept, asked, interrupted, processes, counts })
        })
    }

    /// Until when a run is surely this server's that was claimed by a call that began at `began`.
    pub(crate) fn sure_until(&self, began: Instant) -> Instant {
        sure_until(began, self.store.lease())
    }

    /// Why interrupted tasks fail; none if they are queued again.
    async fn fails(&self) -> Option<String> {
        why_interrupted((self.interrupted)(self.store.clone()).await)
    }
}
