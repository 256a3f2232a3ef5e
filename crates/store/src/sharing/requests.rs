//! Requests about a run that another server makes. They are rows, which that server reads when it hears of them and with each
//! renewal of its leases, so that a lost message only delays them.

use crate::backend::{postgres, sqlite};
use crate::live::{LIVE, Run};
use crate::transaction::Query;
use crate::{Store, StoreError};
use diesel::sql_types::{Array, BigInt};
use diesel_async::RunQueryDsl;
use protocol::{TaskId, TrackChange};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Commits are otherwise not waited for on these connections. What a user was promised must survive a crash of the database.
const DURABLE: &str = "set_config('synchronous_commit', 'on', TRUE)";

/// What a user wants of a run.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunRequest {
    /// To stop before its next step.
    Pause,
    /// To go on, if it has not stopped yet.
    Unpause,
    /// To change before its next step.
    Change(TrackChange),
}

/// A request, for the server that makes the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The request's number: later ones have greater numbers.
    pub id: i64,
    /// The run.
    pub run: Run,
    /// What is wanted.
    pub request: RunRequest,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// Not done yet.
    Pending,
    /// Done, and recorded.
    Done,
    /// The run ended before.
    Over,
}

impl Store {
    /// Asks for something of the run of a task, whichever server makes it. Returns the request's number; none if the task does
    /// not run, and on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn ask_run(&self, task: TaskId, request: &RunRequest) -> Result<Option<i64>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(None) };
        let Ok(body) = serde_json::to_string(request) else { return Ok(None) };
        // The lock: a run that ends meanwhile removes the request too.
        let sql = format!(
            "DELETE FROM run_requests WHERE done AND asked_at < clock_timestamp() - interval '10 minutes'; \
             WITH asked AS (INSERT INTO run_requests (task_id, attempt, body) \
                 SELECT task_id, attempt, '{}' FROM runs WHERE task_id = {task} FOR KEY SHARE RETURNING id, task_id, attempt) \
             SELECT id, {DURABLE}, pg_notify('{LIVE}', \
                 json_build_object('asked', json_build_object('task', task_id, 'attempt', attempt))::text) FROM asked",
            body.replace('\'', "''")
        );
        Ok(number(&leases.steps.query(&sql, ANSWER).await?, 0))
    }

    /// What has become of a request. One that is done is forgotten.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn request_state(&self, id: i64) -> Result<RequestState, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(RequestState::Over) };
        let sql = format!(
            "WITH done AS (DELETE FROM run_requests WHERE id = {id} AND done RETURNING id) \
             SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM run_requests WHERE id = {id})"
        );
        let answer = leases.steps.query(&sql, ANSWER).await?;
        Ok(match (number(&answer, 0), number(&answer, 1)) {
            (Some(1), _) => RequestState::Done,
            (_, Some(1)) => RequestState::Pending,
            _ => RequestState::Over,
        })
    }

    /// Records that requests are done.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn requests_done(&self, ids: &[i64]) -> Result<(), StoreError> {
        let Some(leases) = self.inner.leases.as_ref().filter(|_| !ids.is_empty()) else { return Ok(()) };
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        let sql = format!("SELECT {DURABLE}; UPDATE run_requests SET done = TRUE WHERE id IN ({})", ids.join(", "));
        leases.renewals.query(&sql, ANSWER).await.map(drop)
    }
}

/// The number in a column of the first row.
fn number(answer: &[SimpleQueryMessage], column: usize) -> Option<i64> {
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(column).ok()??.parse().ok(),
        _ => None,
    })
}

/// The requests, in the transactions that do what they want.
pub(crate) trait RequestRows {
    /// Records that these requests are done.
    fn requests_done(&mut self, ids: Vec<i64>) -> Query<'_, Result<(), StoreError>>;
}

impl RequestRows for sqlite::Connection {
    fn requests_done(&mut self, _: Vec<i64>) -> Query<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl RequestRows for postgres::Connection {
    fn requests_done(&mut self, ids: Vec<i64>) -> Query<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let done = diesel::sql_query("UPDATE run_requests SET done = TRUE WHERE id = ANY ($1)");
            done.bind::<Array<BigInt>, _>(ids).execute(self).await?;
            Ok(())
        })
    }
}
