//! Objects of an object store: finished pictures that are not files of a folder, and which objects a row names.

use crate::schema::{takes, trace_objects};
use crate::transaction::read;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use std::{collections::HashSet, time::Duration};
use tokio_postgres::SimpleQueryMessage;

/// Key of the advisory lock of the server that looks for objects without a row (an arbitrary constant).
const COLLECTOR_LOCK: i64 = 0x656d_6265_6f62_6a73;

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Names in one query.
const AT_ONCE: usize = 1000;

/// A final picture and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalPicture {
    /// Hash of its bytes.
    pub etag: String,
    /// The object; none if it is the file `<key>.png` of the folder.
    pub object: Option<String>,
}

impl From<&str> for FinalPicture {
    /// A file with this hash.
    fn from(etag: &str) -> Self {
        Self::from(etag.to_owned())
    }
}

impl From<String> for FinalPicture {
    /// A file with this hash.
    fn from(etag: String) -> Self {
        Self { etag, object: None }
    }
}

/// Where the finished pictures of a database are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PicturePlaces {
    /// Pictures that are files of a folder.
    pub files: i64,
    /// Pictures that are objects.
    pub objects: i64,
}

impl Store {
    /// How many finished pictures are files, and how many are objects, those of deleted frames and projects included.
    pub async fn picture_places(&self) -> Result<PicturePlaces, StoreError> {
        read!(self, |conn| {
            let finished = takes::etag.is_not_null();
            let files = takes::table.filter(finished).filter(takes::object.is_null()).count().get_result(conn).await?;
            let objects = takes::table.filter(takes::object.is_not_null()).count().get_result(conn).await?;
            Ok(PicturePlaces { files, objects })
        })
    }

    /// Of these objects, those that a row names.
    pub async fn named_objects(&self, objects: Vec<String>) -> Result<HashSet<String>, StoreError> {
        read!(self, |conn| {
            let mut named = HashSet::new();
            for part in objects.chunks(AT_ONCE) {
                let part: Vec<&str> = part.iter().map(String::as_str).collect();
                let name = takes::object.assume_not_null();
                let of_takes = takes::table.filter(takes::object.is_not_null()).filter(name.eq_any(part.clone()));
                named.extend(of_takes.select(name).load::<String>(conn).await?);
                let of_traces = trace_objects::table.filter(trace_objects::object.eq_any(part));
                named.extend(of_traces.select(trace_objects::object).load::<String>(conn).await?);
            }
            Ok(named)
        })
    }

    /// Whether this server is the one that looks for objects without a row, until [`Store::end_collection`]: only one does at a
    /// time. The database forgets it with the connection. Always true on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn begin_collection(&self) -> Result<bool, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(true) };
        let answer = leases.vacuum.query(&format!("SELECT pg_try_advisory_lock({COLLECTOR_LOCK})"), ANSWER).await?;
        Ok(answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))))
    }

    /// Lets other servers look for objects without a row.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn end_collection(&self) -> Result<(), StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(()) };
        leases.vacuum.query(&format!("SELECT pg_advisory_unlock({COLLECTOR_LOCK})"), ANSWER).await.map(drop)
    }
}
