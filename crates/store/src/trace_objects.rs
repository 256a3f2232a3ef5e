//! Traces and saved states of takes that are objects of an object store. Each is named by a row, by the take's key.

use crate::clock::now_ms;
use crate::live::Run;
use crate::locks::LockQueries;
use crate::rows::{from_column, to_column};
use crate::runs::{Holder, RunRows};
use crate::schema::{takes, tasks, trace_objects};
use crate::tasks::TaskQueries;
use crate::transaction::{on_connections, read, write};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use protocol::{ProjectId, TaskStatus};
use std::time::Duration;

/// What an object is of a take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TraceKind {
    /// How it formed.
    Trace,
    /// What its next attempt goes on from.
    State,
}

impl TraceKind {
    /// Its name in the table, and the ending of its object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::State => "state",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Trace, Self::State].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A trace or a saved state that is an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceObject {
    /// The take's key.
    pub key: String,
    /// What it is.
    pub kind: TraceKind,
    /// The object.
    pub object: String,
    /// Its length.
    pub bytes: u64,
    /// Steps that are done.
    pub step: u32,
}

/// A row, with what decides whether it stays when space is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTrace {
    /// The object.
    pub of: TraceObject,
    /// When it was named, epoch milliseconds.
    pub created_at: i64,
    /// The project of its take.
    pub project: ProjectId,
    /// Whether the picture is finished.
    pub is_finished: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = trace_objects)]
pub(crate) struct TraceRow {
    key: String,
    kind: String,
    object: String,
    bytes: i64,
    step: i32,
    pub(crate) created_at: i64,
}

impl TraceRow {
    pub(crate) fn new(of: TraceObject, created_at: i64) -> Result<Self, StoreError> {
        let TraceObject { key, kind, object, bytes, step } = of;
        let too_long = |_| StoreError::Corrupt { column: "trace_objects.bytes", value: bytes.to_string() };
        let (bytes, step) = (i64::try_from(bytes).map_err(too_long)?, to_column("trace_objects.step", step)?);
        Ok(Self { key, kind: kind.as_str().to_owned(), object, bytes, step, created_at })
    }
}

impl TryFrom<TraceRow> for TraceObject {
    type Error = StoreError;

    fn try_from(row: TraceRow) -> Result<Self, StoreError> {
        let TraceRow { key, kind, object, bytes, step, .. } = row;
        let negative = |_| StoreError::Corrupt { column: "trace_objects.bytes", value: bytes.to_string() };
        let (bytes, step) = (u64::try_from(bytes).map_err(negative)?, from_column("trace_objects.step", step)?);
        let kind = TraceKind::from_name(&kind);
        let kind = kind.ok_or_else(|| StoreError::Corrupt { column: "trace_objects.kind", value: String::new() })?;
        Ok(Self { key, kind, object, bytes, step })
    }
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Rows whose take has gone or was never made, and states of finished takes. `$1`: the newest time.
macro_rules! forgotten {
    ($before:expr) => {{
        let of_take = takes::table.filter(takes::key.eq(trace_objects::key));
        let finished = of_take.filter(takes::finished_at.is_not_null());
        let is_over = trace_objects::kind.eq(TraceKind::State.as_str()).and(diesel::dsl::exists(finished));
        trace_objects::table
            .filter(trace_objects::created_at.lt($before))
            .filter(diesel::dsl::not(diesel::dsl::exists(of_take)).or(is_over))
    }};
}

on_connections! {
    trait TraceQueries;

    /// Names an object of a take in place of an earlier one. Returns the earlier one.
    async fn name_trace(conn: Db, row: TraceRow) -> Result<Option<String>, StoreError> {
        let named = trace_objects::table.find((row.key.clone(), row.kind.clone()));
        let earlier: Option<String> = named.select(trace_objects::object).first(conn).await.optional()?;
        let columns = (trace_objects::key, trace_objects::kind);
        let values = (
            trace_objects::object.eq(row.object.clone()),
            trace_objects::bytes.eq(row.bytes),
            trace_objects::step.eq(row.step),
            trace_objects::created_at.eq(row.created_at),
        );
        let object = row.object.clone();
        diesel::insert_into(trace_objects::table)
            .values(row)
            .on_conflict(columns)
            .do_update()
            .set(values)
            .execute(conn)
            .await?;
        Ok(earlier.filter(|earlier| *earlier != object))
    }

    /// See [`Store::name_trace_of_run`].
    async fn name_trace_of(conn: Db, run: Run, row: TraceRow, holder: Holder) -> Result<Option<String>, StoreError> {
        conn.lock_task(run.task).await?;
        let attempt = to_column("tasks.attempt", run.attempt)?;
        let running = tasks::table
            .find(run.task.0)
            .filter(tasks::status.eq(TaskStatus::Running.as_str()))
            .filter(tasks::attempt.eq(attempt));
        let runs: i64 = running.count().get_result(conn).await?;
        if runs == 0 || !conn.holds_run(run.task.0, attempt, holder).await? {
            return Err(conn.wrong_status(run.task, format!("running here as attempt {attempt}")).await?);
        }
        conn.name_trace(row).await
    }

    /// Removes the row of a take's trace or state. Returns the object.
    async fn forget_trace(conn: Db, key: String, kind: TraceKind) -> Result<Option<String>, StoreError> {
        let named = trace_objects::table.find((key, kind.as_str()));
        Ok(diesel::delete(named).returning(trace_objects::object).get_result(conn).await.optional()?)
    }

    async fn put_traces(conn: Db, rows: Vec<TraceRow>) -> Result<(), StoreError> {
        for row in rows {
            diesel::insert_into(trace_objects::table).values(row).execute(conn).await?;
        }
        Ok(())
    }

    /// Steps of the saved state of a task's take, if these are more than those that are known to be done.
    async fn newer_saved_step(conn: Db, task: i64) -> Result<Option<i32>, StoreError> {
        let saved = trace_objects::table
            .inner_join(takes::table.on(takes::key.eq(trace_objects::key)))
            .inner_join(tasks::table.on(tasks::id.eq(takes::task_id)))
            .filter(tasks::id.eq(task))
            .filter(trace_objects::kind.eq(TraceKind::State.as_str()))
            .filter(trace_objects::step.gt(tasks::done_steps));
        Ok(saved.select(trace_objects::step).first(conn).await.optional()?)
    }
}

impl Store {
    /// The object of a take's trace or saved state; none if it has none, or there is no such take.
    ///
    /// # Errors
    /// The database failed.
    pub async fn trace_object(&self, key: &str, kind: TraceKind) -> Result<Option<TraceObject>, StoreError> {
        let key = key.to_owned();
        let row: Option<TraceRow> = read!(self, |conn| {
            let of_take = takes::table.filter(takes::key.eq(trace_objects::key));
            let named = trace_objects::table
                .filter(trace_objects::key.eq(key))
                .filter(trace_objects::kind.eq(kind.as_str()))
                .filter(diesel::dsl::exists(of_take));
            Ok(named.select(TraceRow::as_select()).first(conn).await.optional()?)
        })?;
        row.map(TraceObject::try_from).transpose()
    }

    /// Names an object that an attempt has stored, in place of an earlier one of the take. Returns the earlier one, which no row
    /// names any more.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless the task is running as this attempt, in this process; [`StoreError::NotFound`].
    pub async fn name_trace_of_run(&self, run: Run, of: TraceObject) -> Result<Option<String>, StoreError> {
        let (row, holder) = (TraceRow::new(of, now_ms())?, self.inner.own.holder());
        write!(self, |conn| { conn.name_trace_of(run, row, holder).await })
    }

    /// Names an object of a take that is created afterwards.
    ///
    /// # Errors
    /// The database failed.
    pub async fn name_trace_of_new_take(&self, of: TraceObject) -> Result<(), StoreError> {
        let row = TraceRow::new(of, now_ms())?;
        write!(self, |conn| { conn.name_trace(row).await.map(drop) })
    }

    /// Forgets a take's trace or saved state. Returns its object, which no row names any more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_trace_object(&self, key: &str, kind: TraceKind) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        write!(self, |conn| { conn.forget_trace(key, kind).await })
    }

    /// Bytes of all traces and saved states that are objects.
    ///
    /// # Errors
    /// The database failed.
    pub async fn trace_object_bytes(&self) -> Result<u64, StoreError> {
        let sum: Sum = read!(self, |conn| {
            let sum = "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes FROM trace_objects";
            Ok(diesel::sql_query(sum).get_result(conn).await?)
        })?;
        Ok(u64::try_from(sum.bytes).unwrap_or_default())
    }

    /// The traces and saved states that are objects, the oldest first.
    ///
    /// # Errors
    /// The database failed, or a row that makes no sense.
    pub async fn list_trace_objects(&self) -> Result<Vec<ListedTrace>, StoreError> {
        let rows: Vec<(TraceRow, i64, Option<i64>)> = read!(self, |conn| {
            let of_takes = trace_objects::table.inner_join(takes::table.on(takes::key.eq(trace_objects::key)));
            let order = (trace_objects::created_at, trace_objects::key, trace_objects::kind);
            let columns = (TraceRow::as_select(), takes::project_id, takes::finished_at);
            Ok(of_takes.order(order).select(columns).load(conn).await?)
        })?;
        let listed = |(row, project, finished_at): (TraceRow, i64, Option<i64>)| {
            let created_at = row.created_at;
            Ok(ListedTrace {
                of: row.try_into()?,
                created_at,
                project: ProjectId(project),
                is_finished: finished_at.is_some(),
            })
        };
        rows.into_iter().map(listed).collect()
    }

    /// Forgets the traces and states that were named longer ago than `age` and whose takes are gone or were never created, and
    /// the states of finished takes. Their objects have no row then. Returns how many.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget_traces_without_take(&self, age: Duration) -> Result<usize, StoreError> {
        let before = now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        write!(self, |conn| {
            let keys: Vec<(String, String)> =
                forgotten!(before).select((trace_objects::key, trace_objects::kind)).load(conn).await?;
            for key in &keys {
                diesel::delete(trace_objects::table.find(key.clone())).execute(conn).await?;
            }
            Ok(keys.len())
        })
    }
}
