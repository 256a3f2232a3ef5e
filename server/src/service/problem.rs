//! The database's and the engine's errors in words for people; the one place where they are logged.

use engine::EngineError;
use protocol::Problem;
use std::error::Error;
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
            Problem::Unavailable("the server's disk is full; nothing was changed".to_owned())
        }
        StoreError::Closed => Problem::Unavailable("the server is stopping".to_owned()),
        other => {
            tracing::error!(error = &other as &dyn Error, "the database failed");
            Problem::Internal
        }
    }
}

/// What a person is told of an engine's error.
pub(super) fn engine_problem(error: EngineError) -> Problem {
    match error {
        EngineError::Store(error) => problem(error),
        refused @ EngineError::NotRunning { .. } => Problem::Conflict(refused.to_string()),
    }
}
