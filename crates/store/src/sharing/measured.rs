//! What a process measures of its use of PostgreSQL, for metrics.

use crate::Store;
use std::sync::atomic::Ordering;

/// Counts since the start of a process that uses PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Bytes of previews that were stored.
    pub live_bytes_out: u64,
    /// Bytes of previews that were read.
    pub live_bytes_in: u64,
    /// How often the connection that follows the log was lost.
    pub reconnects: u64,
    /// The age of entries of the log when they were handed over: the sum in seconds, and their number.
    pub event_lag: (f64, u64),
    /// The age of previews when their bytes were read: the sum in seconds, and their number.
    pub preview_age: (f64, u64),
    /// Seconds and calls, for each kind of statement.
    pub database: Vec<(&'static str, f64, u64)>,
}

impl Store {
    /// What this process has measured. None on SQLite.
    pub fn measured(&self) -> Option<Measured> {
        let (leases, counts) = (self.inner.leases.as_ref()?, &self.inner.counts);
        let database = leases.timings().map(|(call, timing)| {
            let (seconds, calls) = timing.sum();
            (call, seconds, calls)
        });
        Some(Measured {
            live_bytes_out: counts.live_bytes_out.load(Ordering::Relaxed),
            live_bytes_in: counts.live_bytes_in.load(Ordering::Relaxed),
            reconnects: counts.reconnects.load(Ordering::Relaxed),
            event_lag: counts.event_lag.sum(),
            preview_age: counts.preview_age.sum(),
            database: database.to_vec(),
        })
    }
}
