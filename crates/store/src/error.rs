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
    /// Whether the same call may work in a moment: another holds the database, its disk is full, or it is gone and may
    /// come back.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Busy | Self::DiskFull | Self::Database(_) | Self::Open { fault: OpenFault::Unreachable(_), .. }
        )
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
            // diesel passes no code on for these, so the words have to do: SQLite's own for SQLITE_BUSY,
            // SQLITE_LOCKED and SQLITE_FULL, PostgreSQL's for 40P01, 55P03 and 53100.
            DieselError::DatabaseError(_, ref info) => {
                let says = |words: &[&str]| words.iter().any(|words| info.message().contains(words));
                if says(&["database is locked", "table is locked", "deadlock detected", "lock timeout"]) {
                    Self::Busy
                } else if says(&["database or disk is full", "No space left on device"]) {
                    Self::DiskFull
                } else {
                    Self::Database(error)
                }
            }
            other => Self::Database(other),
        }
    }
}
