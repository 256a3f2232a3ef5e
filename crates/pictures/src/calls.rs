//! How often the store was asked for what, and how long it took.

use crate::ObjectError;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Requests of one kind with one outcome, since the start of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// `put`, `get` or `delete`.
    pub op: &'static str,
    /// `ok`, `missing`, `refused` or `away`.
    pub outcome: &'static str,
    /// How many there were. Retries within a call are part of it.
    pub calls: u64,
    /// Their time in seconds.
    pub seconds: f64,
}

/// Calls and seconds by operation and outcome.
type Sums = BTreeMap<(&'static str, &'static str), (u64, f64)>;

/// The sums, while they grow.
#[derive(Debug, Default)]
pub(crate) struct Counted(Mutex<Sums>);

impl Counted {
    pub(crate) fn add(&self, op: &'static str, error: Option<&ObjectError>, time: Duration) {
        let outcome = match error {
            None => "ok",
            Some(ObjectError::Missing { .. }) => "missing",
            Some(ObjectError::Refused { .. }) => "refused",
            Some(_) => "away",
        };
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, seconds) = counted.entry((op, outcome)).or_default();
        *calls += 1;
        *seconds += time.as_secs_f64();
    }

    pub(crate) fn all(&self) -> Vec<Calls> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(&(op, outcome), &(calls, seconds)): (&_, &_)| Calls { op, outcome, calls, seconds };
        counted.iter().map(of).collect()
    }
}
