//! What a store knows of its own runs and of the queue's rule.

use super::holder::Holder;
use crate::needs::OwnFiles;
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// How long a run lasts without a renewal, in milliseconds. A server's network may be away for some seconds, and a picture whose
/// server is gone shall not wait for long.
const LEASE_MS: u64 = 8000;

/// This process in the database, and its rule for the queue.
pub(crate) struct Own {
    server: Arc<str>,
    lease_ms: AtomicU64,
    in_turns: AtomicBool,
    /// The models that this process has; all while it has not said.
    models: RwLock<Option<Vec<String>>>,
    /// The drawing protocol and the files of this process; any while it has not said.
    abilities: RwLock<Option<(u32, OwnFiles)>>,
}

impl Own {
    /// With a new id.
    pub(crate) fn new() -> Self {
        let server = format!("{:032x}", rand::random::<u128>()).into();
        Self {
            server,
            lease_ms: AtomicU64::new(LEASE_MS),
            in_turns: AtomicBool::new(false),
            models: RwLock::default(),
            abilities: RwLock::default(),
        }
    }

    pub(crate) fn holder(&self) -> Holder {
        let lease = Duration::from_millis(self.lease_ms.load(Ordering::Relaxed));
        Holder { server: Arc::clone(&self.server), lease }
    }

    pub(crate) fn set_lease(&self, lease: Duration) {
        self.lease_ms.store(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether projects take turns in the queue.
    pub(crate) fn in_turns(&self) -> bool {
        self.in_turns.load(Ordering::Relaxed)
    }

    /// The models that this process has; all if none.
    pub(crate) fn models(&self) -> Option<Vec<String>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_models(&self, names: Vec<String>) {
        *self.models.write().unwrap_or_else(PoisonError::into_inner) = Some(names);
    }

    /// The drawing protocol and the files of this process; any if none.
    pub(crate) fn abilities(&self) -> Option<(u32, OwnFiles)> {
        self.abilities.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_abilities(&self, protocol: u32, files: OwnFiles) {
        *self.abilities.write().unwrap_or_else(PoisonError::into_inner) = Some((protocol, files));
    }

    pub(crate) fn take_turns(&self) {
        self.in_turns.store(true, Ordering::Relaxed);
    }
}
