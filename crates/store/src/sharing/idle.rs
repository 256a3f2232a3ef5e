//! A process that makes pictures and has nothing to do.

use crate::{Store, StoreError};
use std::{sync::atomic::Ordering, time::Duration};

impl Store {
    /// Waits at most `at_most` for a sign that a task waits which this process could start. Returns whether there is one: then it
    /// should claim. The first call after [`Store::expect_no_task`] is such a sign. Never on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn expect_task(&self, at_most: Duration) -> Result<bool, StoreError> {
        let Some(reach) = &self.inner.reach else { return Ok(false) };
        let own = &self.inner.own;
        let models = own.models().unwrap_or_default();
        self.inner.wake_ups.expect(reach, &own.holder().server, models, at_most).await.map_err(|error| {
            self.inner.counts.reconnects.fetch_add(1, Ordering::Relaxed);
            self.unreachable(error)
        })
    }

    /// Takes back [`Store::expect_task`]: this process has enough to do.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn expect_no_task(&self) -> Result<(), StoreError> {
        let Some(reach) = &self.inner.reach else { return Ok(()) };
        let id = self.inner.own.holder().server;
        self.inner.wake_ups.end(reach, &id).await.map_err(|error| self.unreachable(error))
    }
}
