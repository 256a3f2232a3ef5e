//! Pictures that are being made, on every server that shares the database: what is at their addresses.

use crate::backend::{Pools, postgres, postgres::rows};
use crate::objects::FinalPicture;
use crate::rows::from_column;
use crate::tasks::{parameters_from_text, seed_from_row};
use crate::transaction::{checkout, in_own_task};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel_async::{AsyncConnection, RunQueryDsl};
use protocol::Parameters;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How long freeing the space of old previews may take.
const VACUUM: Duration = Duration::from_secs(60);

/// A preview to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPreview {
    /// The step after which it was made.
    pub step: u32,
    /// Hash of the bytes.
    pub etag: String,
    /// PNG file.
    pub png: Vec<u8>,
}

/// What is at a take's address.
#[derive(Clone, Debug, PartialEq)]
pub enum Showing {
    /// The final picture: the file `<key>.png`.
    Finished,
    /// The final picture: an object.
    Object(FinalPicture),
    /// The newest preview.
    Preview {
        /// The attempt that made it.
        attempt: u32,
        /// The step after which it was made.
        step: u32,
        /// Hash of its bytes.
        etag: String,
        /// PNG file; none if its hash was named in the call.
        png: Option<Vec<u8>>,
    },
    /// No step is done: the first preview, which these determine.
    First {
        /// Parameters of the task.
        parameters: Box<Parameters>,
        /// Seed of the task.
        seed: u64,
    },
}

/// `$2` is the hash of a preview that the caller has: its bytes are not read again.
const SHOWING: &str = "\
    SELECT t.etag AS final_etag, t.object, p.attempt, p.step, p.etag, \
        CASE WHEN p.etag IS DISTINCT FROM $2 THEN p.png END AS png, \
        (extract(epoch FROM clock_timestamp() - p.stored_at) * 1000000)::bigint AS age_us, \
        CASE WHEN t.etag IS NULL AND p.take_id IS NULL THEN k.parameters END AS parameters, k.seed \
    FROM takes t JOIN tasks k ON k.id = t.task_id LEFT JOIN live_previews p ON p.take_id = t.id WHERE t.key = $1";

/// A row if the space of old previews was freed within the time that follows.
const LAST_VACUUM: &str = "SELECT 1 FROM pg_stat_user_tables \
    WHERE relid = to_regclass('live_previews') AND last_vacuum > clock_timestamp() - ";

#[derive(QueryableByName)]
struct ShowingRow {
    #[diesel(sql_type = Nullable<Text>)]
    final_etag: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    object: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    attempt: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    step: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    etag: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    png: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    age_us: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    parameters: Option<String>,
    #[diesel(sql_type = BigInt)]
    seed: i64,
}

impl Store {
    /// What is at the address of the take with this key. `known` is the hash of a preview whose bytes the caller has. None on
    /// SQLite, where it is a file in any case.
    ///
    /// Each call reads the database, so that answers of different servers never go back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no take has this key; the database does not answer.
    pub async fn showing(&self, key: &str, known: Option<&str>) -> Result<Option<Showing>, StoreError> {
        let Pools::Postgres(pool) = &self.inner.pools else { return Ok(None) };
        let (inner, pool) = (Arc::clone(&self.inner), pool.clone());
        let (name, known) = (key.to_owned(), known.map(str::to_owned));
        let is_pooled = self.inner.reach.as_ref().is_some_and(|reach| reach.is_pooled);
        let row: Option<ShowingRow> = in_own_task(async move {
            let mut object = checkout(&inner.database, pool.get()).await?;
            match is_pooled {
                // Without a transaction the statement is prepared on one connection and run on another.
                true => {
                    AsyncConnection::transaction(&mut *object, async move |conn| showing(conn, name, known).await).await
                }
                false => showing(&mut object, name, known).await,
            }
        })
        .await?;
        if let Some(row) = &row
            && let Some(png) = &row.png
        {
            let age_us = row.age_us.and_then(|age| u64::try_from(age).ok()).unwrap_or_default();
            self.inner.counts.preview_age.add(1, Duration::from_micros(age_us));
            self.inner.counts.live_bytes_in.fetch_add(png.len() as u64, Ordering::Relaxed);
        }
        match row {
            Some(row) => row.showing().map(Some),
            None => Err(StoreError::NotFound { what: format!("picture {key:?}") }),
        }
    }

    /// Frees the space of previews that newer ones have replaced, unless another server is doing that, or has done it within this time. PostgreSQL's own job comes
    /// once a minute, and a picture of a megapixel can replace its preview four times a second. Nothing on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn vacuum_previews(&self, unless_within: Duration) -> Result<(), StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(()) };
        let is_fresh = format!("{LAST_VACUUM}{} * interval '1 millisecond'", unless_within.as_millis());
        if rows(&leases.steps.query(&is_fresh, VACUUM).await?).next().is_some() {
            return Ok(());
        }
        // Shortening the file would wait for readers.
        leases.vacuum.query("VACUUM (SKIP_LOCKED, TRUNCATE FALSE) live_previews", VACUUM).await.map(drop)
    }
}

async fn showing(
    conn: &mut postgres::Connection,
    key: String,
    known: Option<String>,
) -> Result<Option<ShowingRow>, StoreError> {
    let query = diesel::sql_query(SHOWING).bind::<Text, _>(key).bind::<Nullable<Text>, _>(known);
    Ok(query.get_result(conn).await.optional()?)
}

impl ShowingRow {
    fn showing(self) -> Result<Showing, StoreError> {
        let Self { attempt, step, etag, png, .. } = self;
        match (self.final_etag, self.object) {
            (Some(etag), object @ Some(_)) => return Ok(Showing::Object(FinalPicture { etag, object })),
            (Some(_), None) => return Ok(Showing::Finished),
            (None, _) => {}
        }
        match (attempt, step, etag, self.parameters) {
            (Some(attempt), Some(step), Some(etag), _) => Ok(Showing::Preview {
                attempt: from_column("live_previews.attempt", attempt)?,
                step: from_column("live_previews.step", step)?,
                etag,
                png,
            }),
            (.., parameters) => Ok(Showing::First {
                parameters: Box::new(parameters_from_text(&parameters.unwrap_or_default())?),
                seed: seed_from_row(self.seed)?,
            }),
        }
    }
}
