//! Turns errors of the database and the engine into problems for clients. Each error is logged here and only here.

use engine::{EngineError, why_unwritten};
use protocol::Problem;
use std::{error::Error, io};
use store::StoreError;

/// The problem that a client gets for a database error.
pub(crate) fn problem(error: StoreError) -> Problem {
    match error {
        StoreError::NotFound { what } => Problem::NotFound(what),
        StoreError::Conflict { why } => Problem::Conflict(why),
        StoreError::Invalid { field, message } => Problem::invalid(field, message),
        full @ StoreError::QueueFull { .. } => Problem::Unavailable(full.to_string()),
        StoreError::Busy => {
            tracing::warn!("the database was still locked after its timeout");
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
        lost @ StoreError::Lost { .. } => {
            tracing::error!(error = %lost, "the database went away during a call");
            Problem::Unavailable(
                "the server's database cannot be reached; the change may or may not be stored".to_owned(),
            )
        }
        damaged @ StoreError::Damaged { .. } => {
            tracing::error!(error = %damaged, "the database is damaged; stop the server and run `emberline doctor`");
            Problem::Fault("the server's database is damaged; its administrator must repair it".to_owned())
        }
        unreadable if unreadable.is_unreadable() => {
            tracing::error!(error = %unreadable, "a row of the database cannot be read; `emberline doctor` lists such rows");
            Problem::Fault("a row of the server's database cannot be read; the server's log says why".to_owned())
        }
        StoreError::Closed => Problem::Unavailable("the server is stopping".to_owned()),
        other => {
            tracing::error!(error = &other as &dyn Error, "the database failed");
            Problem::Internal
        }
    }
}

/// The problem for a picture's file that could not be written. `what` names the failed action.
pub(crate) fn file_problem(error: &io::Error, what: &str) -> Problem {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    let detail = format!("{what}: {}; nothing was changed", why_unwritten(error));
    match error.kind() {
        StorageFull | QuotaExceeded => Problem::DiskFull(detail),
        _ => Problem::Unavailable(detail),
    }
}

/// The problem that a client gets for an engine error.
pub(crate) fn engine_problem(error: EngineError) -> Problem {
    match error {
        EngineError::Store(error) => problem(error),
        refused @ (EngineError::NotRunning { .. } | EngineError::Ended { .. }) => {
            Problem::Conflict(refused.to_string())
        }
        EngineError::Begun { .. } => {
            Problem::invalid("strength", "can only be changed before the first step of a picture")
        }
        waits @ EngineError::CancelledUnrecorded { .. } => Problem::Unavailable(waits.to_string()),
    }
}
