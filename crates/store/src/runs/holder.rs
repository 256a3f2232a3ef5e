//! Who holds a run: begins one with a claim, and checks it before a result is stored.

use crate::StoreError;
use crate::backend::{postgres, sqlite};
use crate::transaction::Query;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::RunQueryDsl;
use std::{sync::Arc, time::Duration};

/// This process, as the holder of runs.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// Its id in the database, new at each start.
    pub(crate) server: Arc<str>,
    /// How long a lease lasts without a renewal.
    pub(crate) lease: Duration,
}

impl Holder {
    /// The lease in the milliseconds that the queries take.
    pub(crate) fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A row of a query that only has to find something.
#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

const BEGIN: &str = "INSERT INTO runs (task_id, attempt, server_id, lease_until) \
     SELECT id, attempt, $2, clock_timestamp() + $3 * interval '1 millisecond' FROM tasks WHERE id = $1";

const HELD: &str = "SELECT count(*) FROM runs WHERE task_id = $1 AND attempt = $2 AND server_id = $3";

/// The rows of runs, in the transactions that change their tasks.
pub(crate) trait RunRows {
    /// Begins the run of a task that this transaction has claimed.
    fn begin_run(&mut self, id: i64, holder: Holder) -> Query<'_, Result<(), StoreError>>;

    /// Whether this process holds the run of this attempt. The task's project is locked, so that no other transaction ends the
    /// run meanwhile.
    fn holds_run(&mut self, id: i64, attempt: i32, holder: Holder) -> Query<'_, Result<bool, StoreError>>;
}

impl RunRows for sqlite::Connection {
    fn begin_run(&mut self, _: i64, _: Holder) -> Query<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn holds_run(&mut self, _: i64, _: i32, _: Holder) -> Query<'_, Result<bool, StoreError>> {
        Box::pin(async { Ok(true) })
    }
}

impl RunRows for postgres::Connection {
    fn begin_run(&mut self, id: i64, holder: Holder) -> Query<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let begin = diesel::sql_query(BEGIN).bind::<BigInt, _>(id).bind::<Text, _>(&*holder.server);
            begin.bind::<BigInt, _>(holder.lease_ms()).execute(self).await?;
            Ok(())
        })
    }

    fn holds_run(&mut self, id: i64, attempt: i32, holder: Holder) -> Query<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let held = diesel::sql_query(HELD).bind::<BigInt, _>(id).bind::<Integer, _>(attempt);
            let found: Found = held.bind::<Text, _>(&*holder.server).get_result(self).await?;
            Ok(found.count > 0)
        })
    }
}
