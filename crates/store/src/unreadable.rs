//! Rows that cannot be read: lists leave them out, the log names each once, `emberline doctor` lists them all.
//!
//! Such a row comes from another program, a damaged disk or a bug. One of them must neither stop the server nor hide
//! the other rows.

use crate::StoreError;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
};

/// A row that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRow {
    /// Its table.
    pub table: &'static str,
    /// Its id, or its name where the table has no ids.
    pub row: String,
    /// Which value, and why it cannot be read.
    pub why: String,
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.row, self.why)
    }
}

/// The log names this many rows at most: a table that is broken as a whole must not fill it.
const LOGGED: usize = 200;

/// Logs a row that is left out, once for each start of the program. Lists are read every few seconds.
pub(crate) fn report(table: &'static str, row: impl fmt::Display, why: &dyn fmt::Display) {
    static LOGGED_ROWS: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());
    let mut logged = LOGGED_ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    if logged.len() < LOGGED && logged.insert((table, row.to_string())) {
        tracing::warn!(table, row = %row, why = %why, "a row of the database cannot be read and is left out; `emberline doctor` lists all such rows");
    }
}

/// The value of a row, or none where the row cannot be read, which is reported. Any other error stays one.
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

/// Loads rows, and leaves out those that diesel cannot decode (a NULL or a type that the column never has).
///
/// diesel decodes a result as a whole: one bad row fails all. So after such a failure the rows are loaded one by one,
/// by their ids. `all` and `one` select the same columns; `ids` has the same filter and order as `all`.
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
