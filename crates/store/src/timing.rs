//! Counters that a process adds to.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A number of calls and their time.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    calls: AtomicU64,
    micros: AtomicU64,
}

impl Timing {
    pub(crate) fn add(&self, calls: u64, time: Duration) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Seconds and calls.
    pub(crate) fn sum(&self) -> (f64, u64) {
        (self.micros.load(Ordering::Relaxed) as f64 / 1e6, self.calls.load(Ordering::Relaxed))
    }
}

/// Counts of a process, since its start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) live_bytes_out: AtomicU64,
    pub(crate) live_bytes_in: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    /// Entries of the log that were handed over, and how old they were then.
    pub(crate) event_lag: Timing,
    /// Previews whose bytes were read, and how old they were then.
    pub(crate) preview_age: Timing,
}
