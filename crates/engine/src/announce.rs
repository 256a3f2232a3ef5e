//! The receiver of the engine's events.

use protocol::Event;

/// Publishes events. Called from any thread; must not block on subscribers.
pub trait Announce: Send + Sync {
    /// Publishes an event to all subscribers.
    fn announce(&self, event: Event);
    /// Schedules an event with the queue's new state. Several changes may share one event.
    fn queue_changed(&self);
}
