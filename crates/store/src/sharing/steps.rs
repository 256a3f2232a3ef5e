//! Messages to other servers: steps, and requests to keep a picture.

use crate::live::{LIVE, Live};
use crate::{Store, StoreError};
use protocol::{GenerationProgress, TaskId};
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// How long the database may take to answer. A report that fails is not repeated: the next step follows.
const ANSWER: Duration = Duration::from_secs(3);

/// PostgreSQL refuses notifications of 8000 bytes and more.
const MOST_BYTES: usize = 7999;

impl Store {
    /// Tells the other servers about a step, unless this process has lost the run. Nothing on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn report_step(&self, event: GenerationProgress) -> Result<(), StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(()) };
        let server = self.inner.own.holder().server;
        let (task, attempt, step) = (event.of.task_id, event.of.attempt, event.step);
        let message = Live::Progress { server: server.to_string(), event };
        let Ok(message) = serde_json::to_string(&message) else { return Ok(()) };
        if message.len() > MOST_BYTES {
            return Ok(());
        }
        let sql = format!(
            "WITH mine AS (UPDATE runs SET step = greatest(step, {step}) \
                 WHERE task_id = {task} AND attempt = {attempt} AND server_id = '{server}' RETURNING task_id) \
             SELECT pg_notify('{LIVE}', '{}') FROM mine",
            message.replace('\'', "''")
        );
        leases.steps.query(&sql, ANSWER).await.map(drop)
    }

    /// Asks the server that runs a task to keep its current estimate as the final picture. Returns the attempt; none if the task
    /// does not run, and on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keep_run(&self, task: TaskId) -> Result<Option<u32>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(None) };
        let sql = format!(
            "WITH kept AS (UPDATE runs SET keep = TRUE WHERE task_id = {task} RETURNING task_id, attempt) \
             SELECT attempt, pg_notify('{LIVE}', \
                 json_build_object('keep', json_build_object('task', task_id, 'attempt', attempt))::text) FROM kept"
        );
        let answer = leases.steps.query(&sql, ANSWER).await?;
        Ok(answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        }))
    }
}
