//! The receiver of the engine's events.

use protocol::Event;
use store::{LogEntry, Subscriber};

/// Publishes events. As a [`Subscriber`] it gets what is stored, from the database; its own methods are for what is only
/// in memory. Called from any thread; must not block on clients.
pub trait Announce: Subscriber {
    /// Publishes an event about something that is not stored, such as progress, to all clients.
    fn announce(&self, event: Event);
    /// Schedules an event with the queue's new state, after a change that is not stored. Several changes may share one
    /// event.
    fn queue_changed(&self);
    /// Schedules an event with the servers and workers of the database, after one of them has changed.
    fn workers_changed(&self);
}

/// The events of a process without clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClients;

impl Subscriber for NoClients {
    fn log_opened(&self, _: &str, _: u64) {}
    fn committed(&self, _: Vec<LogEntry>) {}
}

impl Announce for NoClients {
    fn announce(&self, _: Event) {}
    fn queue_changed(&self) {}
    fn workers_changed(&self) {}
}
