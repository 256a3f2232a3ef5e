//! Several servers on one PostgreSQL: this server renews the leases of its runs, takes up those of servers that are gone, and
//! exchanges steps and requests with the others. On SQLite none of this runs.

mod keeper;
mod remote;
mod reports;

pub(crate) use keeper::{give_back, keep_leases, sure_until};
pub(crate) use remote::Remote;
pub(crate) use reports::{Reports, send_reports};

use crate::recovery::why_interrupted;
use protocol::Interrupted;
use std::{future::Future, pin::Pin};
use store::Store;

/// Reads what becomes of interrupted tasks: a setting of the user's.
pub type ReadInterrupted = fn(Store) -> Pin<Box<dyn Future<Output = Interrupted> + Send>>;

/// State of a server beside others.
pub(crate) struct Cluster {
    pub(crate) reports: Reports,
    pub(crate) interrupted: ReadInterrupted,
}

impl Cluster {
    /// None where no other server can use the database.
    pub(crate) fn of(store: &Store, interrupted: ReadInterrupted) -> Option<Self> {
        store.is_shared().then(|| Self { reports: Reports::default(), interrupted })
    }

    /// Why interrupted tasks fail; none if they are queued again.
    async fn fails(&self, store: &Store) -> Option<String> {
        why_interrupted((self.interrupted)(store.clone()).await)
    }
}
