//! Where events are published.

use engine::Announce;
use std::fmt::Debug;

/// The numbered stream of events. The server implements it over its WebSocket hub.
pub trait Events: Announce + Debug {
    /// Identifies this start of the server.
    fn epoch(&self) -> &str;
    /// Number of the newest event.
    fn seq(&self) -> u64;
}
