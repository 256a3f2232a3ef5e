//! What users want of the runs of this process. A process that does not hear the messages of others asks.

use crate::backend::postgres::rows;
use crate::live::Run;
use crate::{Store, StoreError};
use protocol::TaskId;
use std::time::Duration;

/// What users want of a run, and is not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Its current estimate shall become the final picture.
    pub keep: bool,
    /// There are requests about it, which the next renewal reads.
    pub has_requests: bool,
}

/// The answer to [`Store::ask_about_runs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsNow {
    /// What is wanted of the runs that this process holds. One that is not here is over.
    pub wishes: Vec<(Run, Wishes)>,
    /// The log's newest number: it grows with each change of the queue.
    pub log: u64,
}

impl Store {
    /// Asks about these runs of this process. Nothing on SQLite.
    ///
    /// # Errors
    /// The database does not answer within `at_most`.
    pub async fn ask_about_runs(&self, runs: &[Run], at_most: Duration) -> Result<RunsNow, StoreError> {
        let Some(leases) = self.inner.leases.as_ref().filter(|_| !runs.is_empty()) else {
            return Ok(RunsNow::default());
        };
        let server = self.inner.own.holder().server;
        let runs: Vec<String> = runs.iter().map(|Run { task, attempt }| format!("({task}, {attempt})")).collect();
        let ask = format!(
            "SELECT h.seq, r.task_id, r.attempt, r.keep, EXISTS (SELECT FROM run_requests q \
                 WHERE q.task_id = r.task_id AND q.attempt = r.attempt AND NOT q.done) \
             FROM event_head h LEFT JOIN runs r ON (r.task_id, r.attempt) IN ({}) AND r.server_id = '{server}'",
            runs.join(", ")
        );
        let answer = leases.renewals.read(&ask, at_most, &leases.asks).await?;
        let mut now = RunsNow::default();
        for row in rows(&answer) {
            let number = |column: usize| row.get(column)?.parse::<i64>().ok();
            now.log = number(0).and_then(|seq| u64::try_from(seq).ok()).unwrap_or_default();
            let (Some(task), Some(attempt)) = (number(1), number(2).and_then(|it| u32::try_from(it).ok())) else {
                continue;
            };
            let is = |column: usize| row.get(column) == Some("t");
            now.wishes.push((Run { task: TaskId(task), attempt }, Wishes { keep: is(3), has_requests: is(4) }));
        }
        Ok(now)
    }
}
