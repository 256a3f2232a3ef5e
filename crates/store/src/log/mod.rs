//! The log of changes on PostgreSQL, which gives every server the same events in the same order, and what workers hear instead.
//!
//! The last thing that each changing transaction does is to [`append`]. Each server follows the log by a
//! [`Tail`]. A worker has no clients: it follows nothing, and hears only that a task waits ([`WakeUps`]).

mod append;
mod listener;
mod messages;
mod read;
mod tail;
mod wake_ups;

pub(crate) use append::{LogLock, append};
pub(crate) use listener::TailError;
pub(crate) use tail::Tail;
pub(crate) use wake_ups::WakeUps;

/// Name of the notification that the log has grown. A hint only: the tail looks by itself, too.
const CHANNEL: &str = "emberline_events";
