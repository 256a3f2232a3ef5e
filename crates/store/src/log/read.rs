//! Reads the log.

use crate::backend::postgres::rows;
use crate::changes::{Change, LogEntry};
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// The most rows that the log keeps.
pub(crate) const MOST_ROWS: u64 = 20_000;

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    body: Option<String>,
    deleted_take: Option<String>,
    /// How old it was when it was read.
    pub(crate) age: Duration,
}

/// The query for at most `most` rows after a number. It is sent as text, without a prepared statement: a pooler such as
/// PgBouncer may give each statement another connection.
pub(crate) fn rows_query(after: u64, most: u64) -> String {
    format!(
        "SELECT seq, body, deleted_take, (extract(epoch FROM clock_timestamp() - at) * 1000000)::bigint \
         FROM events WHERE seq > {after} ORDER BY seq LIMIT {most}"
    )
}

impl Row {
    /// The rows of an answer.
    pub(super) fn all(answer: &[SimpleQueryMessage]) -> Vec<Self> {
        let read = |row: &tokio_postgres::SimpleQueryRow| {
            let text = |column: usize| row.try_get(column).ok().flatten().map(str::to_owned);
            let age = text(3).and_then(|micros| micros.parse().ok()).map(Duration::from_micros).unwrap_or_default();
            Some(Self { seq: text(0)?.parse().ok()?, body: text(1), deleted_take: text(2), age })
        };
        rows(answer).filter_map(read).collect()
    }
}

/// The changes of these rows. An event that this version does not know is left out and logged: a newer server wrote it.
pub(crate) fn changes_of(rows: Vec<Row>) -> Vec<LogEntry> {
    let read = |Row { seq, body, deleted_take, .. }| {
        let change = match body {
            None => Change::Queue,
            Some(body) => match serde_json::from_str(&body) {
                Ok(event) => Change::Event { event, deleted_take },
                Err(error) => {
                    tracing::warn!(seq, %error, "an event in the log cannot be read; a newer version may have written it");
                    return None;
                }
            },
        };
        Some(LogEntry { seq: Some(seq), change })
    };
    rows.into_iter().filter_map(read).collect()
}
