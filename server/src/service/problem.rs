//! The database's and the engine's errors in words for people; the one place where they are logged.

use engine::{EngineError, why_unwritten};
use protocol::Problem;
use std::{error::Error, io};
use store::StoreError;

/// What a person is told of a database's error.
pub(super) fn problem(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound { what } => Problem::NotFound(what),
        StoreError::Conflict { why } => Problem::Conflict(why),
        StoreError::Invalid { field, message } => Problem::invalid(field, message),
        full @ StoreError::QueueFull { .. } => Problem::Unavailable(full.to_string()),
        StoreError::Busy => {
            tracing::warn!("the database stayed locked past its timeout");
            Problem::Unavailable("the database is busy; try again".to_owned())
        }
        StoreError::DiskFull => {
            tracing::error!("the database's disk is full");
            Problem::DiskFull("the server's disk is full; nothing was changed".to_owned())
        }
        passing @ (StoreError::ReadOnly { .. } | StoreError::Disk { .. }) => {
            tracing::error!(error = %passing, "the database cannot be written or read");
            Problem::Unavailable(format!("{passing}; nothing was changed"))
        }
        unreachable @ StoreError::Open { .. } => {
            tracing::error!(error = %unreachable, "the database cannot be reached");
            Problem::Unavailable("the server's database cannot be reached; nothing was changed".to_owned())
        }
        damaged @ StoreError::Damaged { .. } => {
            tracing::error!(error = %damaged, "the database is damaged; stop the server and run `emberline doctor`");
            Problem::Fault("the server's database is damaged; whoever runs the server must see to it".to_owned())
        }
        unreadable if unreadable.is_unreadable() => {
            tracing::error!(error = %unreadable, "a row of the database cannot be read; `emberline doctor` lists such rows");
            Problem::Fault("this cannot be read from the server's database; its log says why".to_owned())
        }
        StoreError::Closed => Problem::Unavailable("the server is stopping".to_owned()),
        other => {
            tracing::error!(error = &other as &dyn Error, "the database failed");
            Problem::Internal
        }
    }
}

/// The message when a picture's file could not be written. `what` is what could not be done.
pub(super) fn file_problem(error: &io::Error, what: &str) -> Problem {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => {
            Problem::DiskFull(format!("{what}: {}; nothing was changed", why_unwritten(error)))
        }
        _ => Problem::Unavailable(format!("{what}: {}; nothing was changed", why_unwritten(error))),
    }
}

/// What a person is told of an engine's error.
pub(super) fn engine_problem(error: EngineError) -> Problem {
    match error {
        EngineError::Store(error) => problem(error),
        refused @ EngineError::NotRunning { .. } => Problem::Conflict(refused.to_string()),
        waits @ EngineError::CancelledUnrecorded { .. } => Problem::Unavailable(waits.to_string()),
    }
}
