//! The sets of networks that are kept in memory.

use super::Networks;
use crate::lora::NetworksKey;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Finds sets that are in use, and keeps recently used ones within a limit.
#[derive(Debug)]
pub(super) struct Sets {
    held: Mutex<Held>,
    building: Mutex<()>,
    limit_bytes: u64,
}

#[derive(Debug, Default)]
struct Held {
    /// Sets that are kept although nobody may use them; the most recently used one is the last.
    recent: Vec<Arc<Networks>>,
    /// All sets that somebody holds.
    known: Vec<Weak<Networks>>,
}

impl Sets {
    /// Memory of sets that nobody uses, in bytes: about five LoRAs of rank 32.
    pub(super) const LIMIT_BYTES: u64 = 1 << 30;

    pub(super) fn new(limit_bytes: u64) -> Self {
        Self { held: Mutex::default(), building: Mutex::default(), limit_bytes }
    }

    /// The set of this key, if it exists.
    pub(super) fn get(&self, key: &NetworksKey) -> Option<Arc<Networks>> {
        let mut held = self.lock();
        let found = held.known.iter().filter_map(Weak::upgrade).find(|set| set.key() == key)?;
        if let Some(at) = held.recent.iter().position(|set| Arc::ptr_eq(set, &found)) {
            let set = held.recent.remove(at);
            held.recent.push(set);
        }
        Some(found)
    }

    /// Only one set is built at a time, so that two tasks with the same set build it once, and memory is needed for one.
    pub(super) fn build(&self) -> MutexGuard<'_, ()> {
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops sets above the limit, the least recently used first. A set that somebody uses lives on with them.
    pub(super) fn make_room(&self) {
        self.lock().shrink(0, self.limit_bytes);
    }

    /// Keeps a new set, and drops others above the limit. The newest set stays even if it is larger than the limit: the next
    /// task often has the same one.
    pub(super) fn add(&self, set: &Arc<Networks>) {
        let mut held = self.lock();
        held.known.retain(|set| set.strong_count() > 0);
        held.known.push(Arc::downgrade(set));
        held.recent.push(set.clone());
        held.shrink(1, self.limit_bytes);
    }

    /// All sets that exist.
    pub(super) fn all(&self) -> Vec<Arc<Networks>> {
        self.lock().known.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn shrink(&mut self, least: usize, limit_bytes: u64) {
        while self.recent.len() > least && self.recent.iter().map(|set| set.bytes()).sum::<u64>() > limit_bytes {
            self.recent.remove(0);
        }
    }
}
