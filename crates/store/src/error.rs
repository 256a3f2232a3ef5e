//! Errors, grouped by what the caller can do about them.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::pooled_connection::{PoolError as ConnectError, deadpool::PoolError};
use std::{error::Error, fmt};

/// A boxed cause that can be sent between tasks.
type Source = Box<dyn Error + Send + Sync>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row does not exist or is deleted.
    #[error("there is no {what}")]
    NotFound {
        /// The row, for messages: "project 7".
        what: String,
    },
    /// The row's state does not allow the change. Nothing was changed.
    #[error("{why}")]
    Conflict {
        /// The state and what to do about it, for messages.
        why: String,
    },
    /// A field of the request has an invalid value. Nothing was changed.
    #[error("{field}: {message}")]
    Invalid {
        /// The field as the request spells it.
        field: &'static str,
        /// The reason, for messages.
        message: String,
    },
    /// The queue is full. Nothing was changed.
    #[error("the queue is full: {limit} tasks wait already; wait until some are done, or cancel some")]
    QueueFull {
        /// The most tasks that can be queued.
        limit: usize,
    },
    /// Other connections held the database for too long. Nothing was changed; the same call may succeed later.
    #[error("the database is busy")]
    Busy,
    /// The database went away during the call. If it was a change, it is not known whether it was committed.
    #[error("the connection to the database is lost: {message}")]
    Lost {
        /// The database's message.
        message: String,
    },
    /// The disk or the quota is full. Nothing was changed.
    #[error("the database's disk is full")]
    DiskFull,
    /// The database cannot be written: the disk is mounted read-only, or permissions are missing. Nothing was changed.
    #[error("the database can only be read, not be written: {message}")]
    ReadOnly {
        /// The database's message.
        message: String,
    },
    /// The disk or the file system failed. Nothing was changed.
    #[error("the database's disk failed: {message}")]
    Disk {
        /// The database's message.
        message: String,
    },
    /// The database's file is damaged.
    #[error("the database is damaged: {message}")]
    Damaged {
        /// The database's message, or the result of a check.
        message: String,
    },
    /// Another server uses this database.
    #[error(
        "another emberline uses the database {database}; stop it, or give this one its own with --data-dir or \
         --database-url"
    )]
    Owned {
        /// The file, or the server and database without its password.
        database: String,
    },
    /// A constraint of the tables refused the change: the caller passed a value that is not valid.
    #[error("the database refused the change: {message}")]
    Constraint {
        /// Which kind of constraint.
        kind: DatabaseErrorKind,
        /// The database's message; it names the constraint.
        message: String,
    },
    /// The database has been changed by a newer version of Emberline.
    #[error(
        "{database} is from a newer version of Emberline (it has {}, unknown to this one): start that version, \
         or use another database",
        migrations(.unknown)
    )]
    TooNew {
        /// The file, or the server and database without its password.
        database: String,
        /// Versions of the migrations that this program does not know.
        unknown: Vec<String>,
    },
    /// The database needs a migration, and was opened for reading only.
    #[error(
        "the database {database} is of an older version; `emberline migrate`, or the next start of a server, brings it up to date"
    )]
    TooOld {
        /// The file, or the server and database without its password.
        database: String,
    },
    /// The database cannot be opened or reached.
    #[error("cannot open the database {database}: {fault}")]
    Open {
        /// The file, or the server and database without its password.
        database: String,
        /// Why. Part of the message with all its causes, so it is not a `source`.
        fault: OpenFault,
    },
    /// The store has been closed; the server is stopping.
    #[error("the database is closed")]
    Closed,
    /// A stored value is one that this program never writes.
    #[error("the database holds a value that makes no sense: {column} is {value}")]
    Corrupt {
        /// `table.column`.
        column: &'static str,
        /// The value as text.
        value: String,
    },
    /// A row's values do not have the types of their columns.
    #[error("the database holds a row that cannot be decoded: {why}")]
    Undecodable {
        /// diesel's message.
        why: String,
    },
    /// Any other error of the database.
    #[error("the database failed")]
    Database(#[source] DieselError),
    /// The code that ran the query panicked, or the runtime is shutting down.
    #[error("the database call did not end")]
    Aborted(#[source] tokio::task::JoinError),
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// The address is not valid.
    #[error("{0}")]
    Address(String),
    /// The folder or the file does not exist, cannot be written, or has the wrong type.
    #[error("{path}: {source}")]
    File {
        /// The folder or the file.
        path: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file is not an Emberline database.
    #[error("the file is not an Emberline database ({0})")]
    Foreign(&'static str),
    /// The file's pages are damaged. Nothing was changed.
    #[error(
        "the database is damaged: {0}. Nothing was changed. Stop every program that uses it, then put a copy of the \
         file in its place (a backup, or one that was made before an update: FILE.before-...), or save what can be \
         read with `sqlite3 FILE .dump`"
    )]
    Damaged(String),
    /// The file is missing or empty, but its write-ahead log holds changes. SQLite would delete the log.
    #[error(
        "the file is {0}, but its log {1} is there and holds changes. Nothing was changed. Put the file back beside \
         its log, or move the log away as well"
    )]
    LogAlone(&'static str, String),
    /// There is no space for the copy that is made before a migration.
    #[error(
        "bringing its tables up to date makes a copy first, and there is no room: {needed_mib} MiB are needed beside \
         the database, {free_mib} MiB are free"
    )]
    NoRoom {
        /// The copy's largest size.
        needed_mib: u64,
        /// Free space.
        free_mib: u64,
    },
    /// The copy that is made before a migration failed.
    #[error("bringing its tables up to date makes a copy first, and {path} could not be written: {why}")]
    Copy {
        /// The copy.
        path: String,
        /// The reason.
        why: String,
    },
    /// The server cannot be reached, or refuses the connection.
    #[error("{}", chain(.0.as_ref()))]
    Unreachable(Source),
    /// A migration failed and was rolled back.
    #[error("bringing its tables up to date failed: {}", chain(.0.as_ref()))]
    Migration(Source),
    /// Another reason.
    #[error("{}", chain(.0.as_ref()))]
    Other(Source),
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn migrations(unknown: &[String]) -> impl fmt::Display {
    match unknown {
        [one] => format!("migration {one}"),
        many => format!("migrations {}", many.join(", ")),
    }
}

impl StoreError {
    /// What the same call has to wait for, for messages, if it may succeed later. None for a permanent error.
    pub fn waits_for(&self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("the database is busy"),
            Self::DiskFull => Some("the database's disk is full"),
            Self::ReadOnly { .. } => Some("the database is read-only"),
            Self::Disk { .. } => Some("the database's disk reports errors"),
            // Only a user can repair it. Waiting keeps a finished picture until then.
            Self::Damaged { .. } => Some("the database is damaged"),
            Self::Open { fault: OpenFault::Unreachable(_), .. } | Self::Lost { .. } => {
                Some("the database cannot be reached")
            }
            Self::Database(DieselError::DatabaseError(..) | DieselError::BrokenTransactionManager) => {
                Some("the database reports an error")
            }
            _ => None,
        }
    }

    /// Whether a single row cannot be read; other rows can.
    pub fn is_unreadable(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Undecodable { .. })
    }

    /// The error of taking a connection from a pool.
    pub(crate) fn from_pool(database: &str, error: PoolError) -> Self {
        match error {
            PoolError::Closed => Self::Closed,
            PoolError::Timeout(_) => Self::Busy,
            PoolError::Backend(ConnectError::QueryError(error)) => Self::from(error),
            other => Self::Open { database: database.to_owned(), fault: OpenFault::Unreachable(Box::new(other)) },
        }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        use DatabaseErrorKind as Kind;
        match error {
            DieselError::DatabaseError(
                kind @ (Kind::UniqueViolation
                | Kind::ForeignKeyViolation
                | Kind::NotNullViolation
                | Kind::CheckViolation
                | Kind::RestrictViolation
                | Kind::ExclusionViolation),
                info,
            ) => Self::Constraint { kind, message: info.message().to_owned() },
            DieselError::DatabaseError(Kind::SerializationFailure, _) => Self::Busy,
            DieselError::DatabaseError(Kind::ReadOnlyTransaction, info) => {
                Self::ReadOnly { message: info.message().to_owned() }
            }
            DieselError::DatabaseError(Kind::ClosedConnection, info) => {
                Self::Lost { message: info.message().to_owned() }
            }
            DieselError::DatabaseError(_, ref info) => from_message(info.message()).unwrap_or(Self::Database(error)),
            DieselError::DeserializationError(why) => Self::Undecodable { why: chain(why.as_ref()) },
            // The failed rollback follows from the failed commit.
            DieselError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            other => Self::Database(other),
        }
    }
}

/// Classifies an error by its message, because diesel drops the error code: SQLite's messages for SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL,
/// SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_CORRUPT and SQLITE_NOTADB; PostgreSQL's for 40P01, 55P03, 53100,
/// 58030, XX001, 57P01 to 57P03 and 25P03, and tokio-postgres' for a connection that is gone.
fn from_message(message: &str) -> Option<StoreError> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    let message = || message.to_owned();
    if says(&["database is locked", "table is locked", "deadlock detected", "lock timeout"]) {
        Some(StoreError::Busy)
    } else if says(&[
        "terminating connection",
        "the database system is",
        "connection closed",
        "error communicating with the server",
    ]) {
        Some(StoreError::Lost { message: message() })
    } else if says(&["database or disk is full", "No space left on device"]) {
        Some(StoreError::DiskFull)
    } else if says(&["attempt to write a readonly database", "Read-only file system"]) {
        Some(StoreError::ReadOnly { message: message() })
    } else if says(&["database disk image is malformed", "file is not a database", "invalid page in block"]) {
        Some(StoreError::Damaged { message: message() })
    } else if says(&["disk I/O error", "unable to open database file", "Input/output error"]) {
        Some(StoreError::Disk { message: message() })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_disk_is_distinguished_from_the_others() {
        let kind = |words: &str| {
            let error = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words.to_owned()));
            match StoreError::from(error) {
                StoreError::DiskFull => "full",
                StoreError::ReadOnly { .. } => "read-only",
                StoreError::Disk { .. } => "disk",
                StoreError::Damaged { .. } => "damaged",
                StoreError::Busy => "busy",
                StoreError::Lost { .. } => "lost",
                StoreError::Database(_) => "other",
                error => panic!("{error:?}"),
            }
        };
        // The first of each are SQLite's `sqlite3_errstr`, the others PostgreSQL's messages.
        assert_eq!(kind("database or disk is full"), "full");
        assert_eq!(kind("could not extend file \"base/5/16384\": No space left on device"), "full");
        assert_eq!(kind("attempt to write a readonly database"), "read-only");
        assert_eq!(kind("could not open file \"base/5/16384\": Read-only file system"), "read-only");
        assert_eq!(kind("disk I/O error"), "disk");
        assert_eq!(kind("unable to open database file"), "disk");
        assert_eq!(kind("could not read block 7 in file \"base/5/16384\": Input/output error"), "disk");
        assert_eq!(kind("database disk image is malformed"), "damaged");
        assert_eq!(kind("invalid page in block 7 of relation base/5/16384"), "damaged");
        assert_eq!(kind("database is locked"), "busy");
        assert_eq!(kind("terminating connection due to administrator command"), "lost");
        assert_eq!(kind("terminating connection due to idle-in-transaction timeout"), "lost");
        assert_eq!(kind("the database system is shutting down"), "lost");
        assert_eq!(kind("canceling statement due to lock timeout"), "busy");
        assert_eq!(kind("no such table: projects"), "other");
    }
}
