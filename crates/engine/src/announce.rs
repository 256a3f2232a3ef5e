//! Where events go.

use protocol::Event;

/// Takes events. Called from any thread, never waits for a reader.
pub trait Announce: Send + Sync {
    /// Tells everyone who listens.
    fn announce(&self, event: Event);
    /// The queue is another now; its new state is told soon, once for many changes.
    fn queue_changed(&self);
}
