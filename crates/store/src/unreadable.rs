//! Rows that cannot be read. Lists skip them, the log names each once, and `emberline doctor` lists them all.
//!
//! Such a row comes from another program, a damaged disk or a bug. It must neither stop the server nor hide other rows.

use crate::StoreError;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
};

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    /// The table.
    pub table: &'static str,
    /// The row's id, or its name in a table without ids.
    pub row: String,
    /// The value, and why it cannot be read.
    pub why: String,
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.row, self.why)
    }
}

/// The most rows that are logged: a broken table must not fill the log.
const MOST_LOGGED: usize = 200;

/// Logs a row that is skipped, once in each run of the program (lists are read every few seconds).
pub(crate) fn report(table: &'static str, row: impl fmt::Display, why: &dyn fmt::Display) {
    static LOGGED_ROWS: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());
    let mut logged = LOGGED_ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < MOST_LOGGED && logged.insert((table, row.to_string())) {
        tracing::warn!(table, row = %row, why = %why, "a row of the database cannot be read and is left out; `emberline doctor` lists all such rows");
    }
}

/// Reports an unreadable row and returns none for it. Passes values and other errors on.
pub(crate) fn readable<T>(
    table: &'static str,
    row: impl fmt::Display,
    value: Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_unreadable() => {
            report(table, row, &error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Loads rows and skips those that diesel cannot decode (a NULL or a type that the column never has).
///
/// diesel decodes a result as a whole, so one bad row fails the query. After such a failure the rows are loaded one by
/// one, by id. `all` and `one` select the same columns; `ids` has the same filter and order as `all`.
macro_rules! load_readable {
    ($conn:ident, $table:literal, all: $all:expr, ids: $ids:expr, one: |$id:ident| $one:expr $(,)?) => {
        match $all.load($conn).await {
            Err(diesel::result::Error::DeserializationError(_)) => {
                let ids: Vec<i64> = $ids.load($conn).await?;
                let mut rows = Vec::with_capacity(ids.len());
                for $id in ids {
                    match $one.first($conn).await {
                        Ok(row) => rows.push(row),
                        Err(diesel::result::Error::DeserializationError(why)) => {
                            $crate::unreadable::report($table, $id, &why)
                        }
                        Err(diesel::result::Error::NotFound) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                rows
            }
            loaded => loaded?,
        }
    };
}
pub(crate) use load_readable;
