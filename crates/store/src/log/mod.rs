//! The log of changes on PostgreSQL, which gives every server the same events in the same order.
//!
//! The last thing that each changing transaction does is to [`append`]. Each server follows the log by a
//! [`Tail`].

mod append;
mod messages;
mod read;
mod tail;

pub(crate) use append::{LogLock, append};
pub(crate) use tail::{Tail, TailError};

/// Name of the notification that the log has grown. A hint only: the tail looks by itself, too.
const CHANNEL: &str = "emberline_events";
