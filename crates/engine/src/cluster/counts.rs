//! What a process has done beside others since its start, for metrics.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Sums since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterSummary {
    /// Claimed tasks whose model was in memory.
    pub warm_claims: u64,
    /// Claimed tasks whose model had to be loaded.
    pub cold_claims: u64,
    /// Time of the claims, seconds.
    pub claims_s: f64,
    /// Tasks that were started for the first time.
    pub first_starts: u64,
    /// Time that these had been in the queue, seconds. The clocks of the machines that queued and started them count.
    pub waits_s: f64,
    /// Runs of servers that were gone, which this process ended.
    pub leases_expired: u64,
    /// Steps that were not shown, because the run was over or another server's.
    pub fenced_steps: u64,
    /// Pictures that were not recorded for that reason.
    pub fenced_results: u64,
}

/// The sums, while they grow.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<ClusterSummary>);

impl Counts {
    /// A claimed task. `waited`: the time in the queue, for a first start.
    pub(crate) fn claimed(&self, time: Duration, is_warm: bool, waited: Option<Duration>) {
        let mut sums = self.lock();
        if is_warm {
            sums.warm_claims += 1;
        } else {
            sums.cold_claims += 1;
        }
        sums.claims_s += time.as_secs_f64();
        if let Some(waited) = waited {
            sums.first_starts += 1;
            sums.waits_s += waited.as_secs_f64();
        }
    }

    pub(crate) fn expired(&self) {
        self.lock().leases_expired += 1;
    }

    pub(crate) fn fenced_step(&self) {
        self.lock().fenced_steps += 1;
    }

    pub(crate) fn fenced_result(&self) {
        self.lock().fenced_results += 1;
    }

    pub(crate) fn summary(&self) -> ClusterSummary {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, ClusterSummary> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
