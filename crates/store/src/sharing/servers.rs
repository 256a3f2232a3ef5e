//! The servers that use a database, and what a start may do beside others.

use crate::backend::postgres::{Line, PATIENT};
use crate::live::Run;
use crate::{Store, StoreError};
use protocol::TaskId;
use std::time::Duration;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

/// Key of the lock that servers hold while they start.
const START_LOCK: i64 = 0x656d_6265_7273_7472;

/// How long another server's start may take: it may migrate the tables, and compare thousands of files with their rows.
const LONGEST_START: Duration = Duration::from_secs(3600);

/// How long a registration lasts at first. The renewals begin when the server has loaded its settings.
const FIRST_LEASE_S: u32 = 60;

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The start of a server on a database that others may use as well. No other server starts until it is dropped.
pub struct SharedStart {
    /// Has an open transaction, which holds the lock.
    lock: Line,
    /// Other servers that use the database now.
    pub others: u64,
    /// Runs of the server whose id was given as that of the predecessor. Their leases are over now.
    pub left: Vec<Run>,
}

impl Store {
    /// The id under which this process holds runs; none on SQLite. New for each store that is opened.
    pub fn server_id(&self) -> Option<String> {
        self.is_shared().then(|| self.inner.own.holder().server.to_string())
    }

    /// Begins the start of a server. `predecessor` is the id of a server that is known to be dead. None on SQLite, which one
    /// server uses.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_start(&self, predecessor: Option<&str>) -> Result<Option<SharedStart>, StoreError> {
        let (Some(reach), Some(leases)) = (self.inner.reach.clone(), &self.inner.leases) else { return Ok(None) };
        let lock = Line::new(&self.inner.database, reach, "emberline (start)", "");
        // A lock of the session would be lost behind a pooler.
        let begin = format!("BEGIN; {PATIENT}; SELECT pg_advisory_xact_lock({START_LOCK})");
        lock.query(&begin, LONGEST_START).await?;
        let line = &leases.renewals;
        // Anything but a server's id would be SQL.
        let predecessor = predecessor.filter(|id| id.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let mut left = Vec::new();
        if let Some(id) = predecessor {
            let forget = format!(
                "DELETE FROM servers WHERE id = '{id}'; \
                 UPDATE runs SET lease_until = '-infinity' WHERE server_id = '{id}' RETURNING task_id, attempt"
            );
            left = line.query(&forget, ANSWER).await?.iter().filter_map(run).collect();
        }
        let others = line.query("SELECT count(*) FROM servers WHERE lease_until > clock_timestamp()", ANSWER).await?;
        let others = others.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        Ok(Some(SharedStart { lock, others: others.unwrap_or_default(), left }))
    }

    /// Registers this server, and removes those that are gone.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_start(&self, start: SharedStart) -> Result<(), StoreError> {
        let id = self.inner.own.holder().server;
        let register = format!(
            "DELETE FROM servers WHERE lease_until < clock_timestamp(); \
             INSERT INTO servers (id, version, lease_until) \
             VALUES ('{id}', '{}', clock_timestamp() + {FIRST_LEASE_S} * interval '1 second')",
            env!("CARGO_PKG_VERSION")
        );
        let Some(leases) = &self.inner.leases else { return Ok(()) };
        leases.renewals.query(&register, ANSWER).await?;
        start.lock.query("COMMIT", ANSWER).await.map(drop)
    }

    /// Removes this server from the list, when it stops.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unregister(&self) -> Result<(), StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(()) };
        let id = self.inner.own.holder().server;
        leases.renewals.query(&format!("DELETE FROM servers WHERE id = '{id}'"), ANSWER).await.map(drop)
    }
}

fn run(message: &SimpleQueryMessage) -> Option<Run> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    let text = |row: &SimpleQueryRow, column| row.try_get(column).ok().flatten().map(str::to_owned);
    let task = TaskId(text(row, 0)?.parse().ok()?);
    Some(Run { task, attempt: text(row, 1)?.parse().ok()? })
}
