//! When an overnight picture steps aside.

use super::shared::Shared;
use crate::slot::Slot;
use std::sync::atomic::{AtomicU64, Ordering};

/// No state of the queue.
const UNSEEN: u64 = u64::MAX;

/// Decides between two steps whether an attempt makes room for others. Those that wait are read from the database after a
/// change of the queue only.
pub(super) struct Aside<'a> {
    shared: &'a Shared,
    slot: &'a Slot,
    /// The state of the queue that was read last.
    seen: AtomicU64,
}

impl<'a> Aside<'a> {
    pub(super) fn new(shared: &'a Shared, slot: &'a Slot) -> Self {
        Self { shared, slot, seen: AtomicU64::new(UNSEEN) }
    }

    /// Whether the attempt is overnight, and another task runs beside it or could be started.
    pub(super) fn is_due(&self) -> bool {
        if !self.slot.is_overnight() {
            return false;
        }
        if self.shared.slots.has_others() {
            return true;
        }
        let control = &self.shared.control;
        let changes = control.changes();
        if control.is_paused() || self.seen.swap(changes, Ordering::Relaxed) == changes {
            return false;
        }
        self.shared.runtime.block_on(self.shared.store.others_wait()).unwrap_or_else(|error| {
            tracing::warn!(task.id = %self.slot.task_id, %error, "the queue could not be read; an overnight picture goes on");
            false
        })
    }
}
