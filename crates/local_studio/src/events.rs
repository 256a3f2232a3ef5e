//! Where events are published.

use engine::Announce;
use std::fmt::Debug;

/// The numbered stream of events. The server implements it over its WebSocket hub.
pub trait Events: Announce + Debug {
    /// Identifies this start of the server.
    fn epoch(&self) -> &str;
    /// Schedules an event with the library's new state. Several changes may share one event. Called from any thread.
    fn library_changed(&self);
    /// Number of the newest event.
    fn seq(&self) -> u64;
}
