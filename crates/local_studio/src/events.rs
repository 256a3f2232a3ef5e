//! Where events are published.

use engine::Announce;
use std::fmt::Debug;

/// The numbered stream of events. The server implements it over its WebSocket hub.
pub trait Events: Announce + Debug {
    /// The epoch and the number of the newest event in it. The epoch identifies this start of the server, or the log that
    /// several servers share.
    fn position(&self) -> (String, u64);
    /// Schedules an event with the library's new state. Several changes may share one event. Called from any thread.
    fn library_changed(&self);
}
