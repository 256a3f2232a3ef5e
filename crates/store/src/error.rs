//! What can go wrong, told apart by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::pooled_connection::{PoolError as ConnectError, deadpool::PoolError};
use std::{error::Error, fmt};

/// A source of unknown type, safe to carry between tasks.
type Source = Box<dyn Error + Send + Sync>;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row, or it is deleted.
    #[error("there is no {what}")]
    NotFound {
        /// Names it, for a person: "project 7".
        what: String,
    },
    /// The thing is not in a state in which this can be done. Nothing was changed.
    #[error("{why}")]
    Conflict {
        /// The state and, where there is one, the way out, for a person.
        why: String,
    },
    /// A field of the request names what cannot be. Nothing was changed.
    #[error("{field}: {message}")]
    Invalid {
        /// The field as the request spells it.
        field: &'static str,
        /// The reason, for a person.
        message: String,
    },
    /// As many tasks wait as may. Nothing was changed.
    #[error("the queue is full: {limit} tasks wait already; wait until some are done, or cancel some")]
    QueueFull {
        /// How many may wait at the same time.
        limit: usize,
    },
    /// Another writer or a crowd of readers held the database longer than we wait. Nothing was changed; the
    /// same call may work later.
    #[error("the database is busy")]
    Busy,
    /// The disk, or the quota on it, is full. Nothing was changed.
    #[error("the database's disk is full")]
    DiskFull,
    /// The database can be read and not be written: a disk mounted read-only, or permissions. Nothing was changed.
    #[error("the database can only be read, not be written: {message}")]
    ReadOnly {
        /// The database's own words.
        message: String,
    },
    /// The disk, or the file system on it, failed. Nothing was changed.
    #[error("the database's disk failed: {message}")]
    Disk {
        /// The database's own words.
        message: String,
    },
    /// The database's file is damaged.
    #[error("the database is damaged: {message}")]
    Damaged {
        /// The database's own words, or what a check found.
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
    /// A constraint of the tables refused the change: a caller passed what it should have validated.
    #[error("the database refused the change: {message}")]
    Constraint {
        /// Which kind of constraint.
        kind: DatabaseErrorKind,
        /// The database's own words; they name the constraint.
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
        /// The versions of the migrations that this program does not know.
        unknown: Vec<String>,
    },
    /// The database is of an older version, and was opened to be looked at only.
    #[error("the database {database} is of an older version; the server's next start brings it up to date")]
    TooOld {
        /// The file, or the server and database without its password.
        database: String,
    },
    /// The database cannot be opened or reached.
    #[error("cannot open the database {database}: {fault}")]
    Open {
        /// The file, or the server and database without its password.
        database: String,
        /// Why, with its causes: the message tells all, so it is no `source` as well.
        fault: OpenFault,
    },
    /// The store has been closed; the server is stopping.
    #[error("the database is closed")]
    Closed,
    /// A stored value is not what this program writes.
    #[error("the database holds a value that makes no sense: {column} is {value}")]
    Corrupt {
        /// `table.column`.
        column: &'static str,
        /// The value as text.
        value: String,
    },
    /// A row does not hold what its columns are declared to hold.
    #[error("the database holds a row that cannot be decoded: {why}")]
    Undecodable {
        /// diesel's words.
        why: String,
    },
    /// Anything else that the database reports.
    #[error("the database failed")]
    Database(#[source] DieselError),
    /// The code that ran the query panicked, or the runtime is shutting down.
    #[error("the database call did not end")]
    Aborted(#[source] tokio::task::JoinError),
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// The address is none that this program understands.
    #[error("{0}")]
    Address(String),
    /// The folder or the file does not exist, cannot be written, or is of the wrong kind.
    #[error("{path}: {source}")]
    File {
        /// The folder or the file that is at fault.
        path: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file is there and is something else.
    #[error("the file is not an Emberline database ({0})")]
    Foreign(&'static str),
    /// The file's pages are damaged. Nothing was changed.
    #[error(
        "the database is damaged: {0}. Nothing was changed. Stop every program that uses it, then put a copy of the \
         file in its place (a backup, or one that was made before an update: FILE.before-...), or save what can be \
         read with `sqlite3 FILE .recover`"
    )]
    Damaged(String),
    /// The file is missing or empty, and its write-ahead log is there: SQLite would remove the log.
    #[error(
        "the file is {0}, but its log {1} is there and holds changes. Nothing was changed. Put the file back beside \
         its log, or move the log away as well"
    )]
    LogAlone(&'static str, String),
    /// There is no room for the copy that is made before the tables change.
    #[error(
        "bringing its tables up to date makes a copy first, and there is no room: {needed_mib} MiB are needed beside \
         the database, {free_mib} MiB are free"
    )]
    NoRoom {
        /// What the copy takes, at most.
        needed_mib: u64,
        /// What is free.
        free_mib: u64,
    },
    /// The copy that is made before the tables change could not be made.
    #[error("bringing its tables up to date makes a copy first, and {path} could not be written: {why}")]
    Copy {
        /// The copy.
        path: String,
        /// The reason.
        why: String,
    },
    /// The server cannot be reached, or does not let us in.
    #[error("{}", chain(.0.as_ref()))]
    Unreachable(Source),
    /// A migration failed; the database is as it was.
    #[error("bringing its tables up to date failed: {}", chain(.0.as_ref()))]
    Migration(Source),
    /// Another reason.
    #[error("{}", chain(.0.as_ref()))]
    Other(Source),
}

/// An error with its causes in one line, for those that hide the cause in `source`.
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
    /// What the same call waits for, in words for people, where it may work later without anybody changing it; none for
    /// an error that stays.
    pub fn waits_for(&self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("the database is busy"),
            Self::DiskFull => Some("the database's disk is full"),
            Self::ReadOnly { .. } => Some("the database is read-only"),
            Self::Disk { .. } => Some("the database's disk reports errors"),
            // Only a person can help; until then a finished picture is kept.
            Self::Damaged { .. } => Some("the database is damaged"),
            Self::Open { fault: OpenFault::Unreachable(_), .. } => Some("the database cannot be reached"),
            Self::Database(DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, _)) => {
                Some("the database cannot be reached")
            }
            Self::Database(DieselError::DatabaseError(..) | DieselError::BrokenTransactionManager) => {
                Some("the database reports an error")
            }
            _ => None,
        }
    }

    /// Whether a row's content is at fault: other rows can be read.
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
            DieselError::DatabaseError(_, ref info) => from_words(info.message()).unwrap_or(Self::Database(error)),
            DieselError::DeserializationError(why) => Self::Undecodable { why: chain(why.as_ref()) },
            // Why the change could not be committed; that it could not be taken back either follows from it.
            DieselError::RollbackErrorOnCommit { commit_error, .. } => Self::from(*commit_error),
            other => Self::Database(other),
        }
    }
}

/// diesel passes no code on for these, so the words have to do: SQLite's own for SQLITE_BUSY, SQLITE_LOCKED, SQLITE_FULL,
/// SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_CORRUPT and SQLITE_NOTADB; PostgreSQL's for 40P01, 55P03, 53100,
/// 58030 and XX001.
fn from_words(message: &str) -> Option<StoreError> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    let message = || message.to_owned();
    if says(&["database is locked", "table is locked", "deadlock detected", "lock timeout"]) {
        Some(StoreError::Busy)
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
    fn each_fault_of_a_disk_is_told_from_the_others() {
        let kind = |words: &str| {
            let error = DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words.to_owned()));
            match StoreError::from(error) {
                StoreError::DiskFull => "full",
                StoreError::ReadOnly { .. } => "read-only",
                StoreError::Disk { .. } => "disk",
                StoreError::Damaged { .. } => "damaged",
                StoreError::Busy => "busy",
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
        assert_eq!(kind("no such table: projects"), "other");
    }
}
