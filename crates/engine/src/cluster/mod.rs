//! Several servers on one PostgreSQL: this server renews the leases of its runs, takes up those of servers that are gone, and
//! exchanges steps and requests with the others. On SQLite none of this runs.
//!
//! A server hears of all changes and steps. A worker has no clients and hears of none: it asks about its runs ([`ask`]), and while
//! it has nothing to do it waits to be woken ([`expect_tasks`]).

mod asked;
mod asking;
mod counts;
mod idle;
mod keeper;
mod processes;
mod remote;
mod reports;
mod shown;

pub(crate) use asking::ask;
pub use counts::ClusterSummary;
use counts::Counts;
pub(crate) use idle::expect_tasks;
use keeper::sure_until;
pub(crate) use keeper::{give_back, keep_leases};
pub use processes::Identity;
pub(crate) use processes::{Own, Processes, advertise, starts_tasks, watch_processes};
pub(crate) use remote::Remote;
pub(crate) use reports::{Reports, send_reports, vacuum};
use shown::Kept;
pub use shown::SharedPictureError;

use crate::{Media, recovery::why_interrupted, slot::Slot, slots::Slots};
use protocol::Interrupted;
use std::{future::Future, pin::Pin, sync::Arc, time::Instant};
use store::{Run, Store, Wishes};
use tokio::sync::Notify;

/// Reads what becomes of interrupted tasks: a setting of the user's.
pub type ReadInterrupted = fn(Store) -> Pin<Box<dyn Future<Output = Interrupted> + Send>>;

/// A server beside others.
pub(crate) struct Cluster {
    store: Store,
    slots: Arc<Slots>,
    media: Arc<Media>,
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
    pub(crate) fn of(
        store: &Store,
        media: &Arc<Media>,
        slots: &Arc<Slots>,
        interrupted: ReadInterrupted,
    ) -> Option<Arc<Self>> {
        let (store, media, slots) = (store.clone(), Arc::clone(media), Arc::clone(slots));
        store.is_shared().then(|| {
            let (reports, kept, asked, processes, counts) = Default::default();
            Arc::new(Self { store, slots, media, reports, kept, asked, interrupted, processes, counts })
        })
    }

    /// Does what is wanted of a run, or has the keeper of leases do it.
    fn heed(&self, slot: &Slot, wishes: Wishes) {
        slot.set_asked();
        if wishes.keep {
            slot.keep();
        }
        if wishes.has_requests {
            self.asked.notify_one();
        }
    }

    /// Closes an attempt whose run is over. If it was cancelled, its files were removed by the server that was asked to, when this
    /// process did not know of it and may have been writing one.
    pub(crate) async fn give_up(&self, slot: &Slot) {
        if !slot.close() {
            return;
        }
        let removed = match self.store.has_take(&slot.key).await {
            Ok(false) => self.media.remove(&slot.key),
            // A file of an attempt that another process goes on with; or none can say.
            Ok(true) | Err(_) => Ok(()),
        };
        if let Err(error) = removed {
            tracing::warn!(task.id = %slot.task_id, %error, "a picture could not be removed; the next start removes it");
        }
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

fn run_of(slot: &Slot) -> Run {
    Run { task: slot.task_id, attempt: slot.attempt }
}
