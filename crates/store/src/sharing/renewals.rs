//! Leases: renewed once a second or so by each server, in one statement for all of its runs.

use super::requests::Asked;
use crate::backend::postgres::rows;
use crate::live::Run;
use crate::runs::Holder;
use crate::{Store, StoreError};
use protocol::TaskId;
use std::time::Duration;
use tokio_postgres::SimpleQueryRow;

/// How long the database may take to answer where nothing waits for the answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The result of a renewal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renewed {
    /// The runs of this process: their leases last from now on. One that is not here is over.
    pub mine: Vec<(Run, Kept)>,
    /// Runs whose leases are over.
    pub expired: Vec<Run>,
    /// What users want of the runs of this process through other servers and is not done, the oldest request first.
    pub asked: Vec<Asked>,
}

/// Whether a user wants the current estimate as the final picture.
pub type Kept = bool;

fn renewal(holder: &Holder, runs: &[Run]) -> String {
    let (server, version) = (&holder.server, env!("CARGO_PKG_VERSION"));
    let until = format!("clock_timestamp() + {} * interval '1 millisecond'", holder.lease_ms());
    let runs: Vec<String> = runs.iter().map(|Run { task, attempt }| format!("({task}, {attempt})")).collect();
    let mine = match runs.is_empty() {
        true => "FALSE".to_owned(),
        false => format!("(task_id, attempt) IN ({})", runs.join(", ")),
    };
    format!(
        "INSERT INTO servers (id, version, lease_until) VALUES ('{server}', '{version}', {until}) \
             ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until; \
         UPDATE runs SET lease_until = {until} WHERE server_id = '{server}' AND {mine} \
             RETURNING 'mine', task_id, attempt, keep; \
         SELECT 'over', task_id, attempt FROM runs WHERE lease_until < clock_timestamp(); \
         SELECT 'asked', r.task_id, r.attempt, q.id, q.body FROM run_requests q JOIN runs r USING (task_id, attempt) \
             WHERE r.server_id = '{server}' AND NOT q.done ORDER BY q.id"
    )
}

impl Store {
    /// Whether several servers may use the database: it is PostgreSQL.
    pub fn is_shared(&self) -> bool {
        self.inner.leases.is_some()
    }

    /// How long a run lasts after its last renewal.
    pub fn lease(&self) -> Duration {
        self.inner.own.holder().lease
    }

    /// Sets how long a run lasts after a renewal; 8 seconds without this call.
    pub fn set_lease(&self, lease: Duration) {
        self.inner.own.set_lease(lease);
    }

    /// Renews the leases of these runs of this process, and its place in the list of servers. Nothing on SQLite.
    ///
    /// # Errors
    /// The database does not answer within `at_most`.
    pub async fn renew_runs(&self, runs: &[Run], at_most: Duration) -> Result<Renewed, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(Renewed::default()) };
        let sql = renewal(&self.inner.own.holder(), runs);
        let mut renewed = Renewed::default();
        for row in rows(&leases.renewals.query(&sql, at_most).await?) {
            let Some(run) = run(row) else { continue };
            match row.get(0) {
                Some("mine") => renewed.mine.push((run, row.get(3) == Some("t"))),
                Some("over") => renewed.expired.push(run),
                _ => renewed.asked.extend(asked(row, run)),
            }
        }
        Ok(renewed)
    }

    /// The runs of this process. None on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn own_runs(&self) -> Result<Vec<Run>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(Vec::new()) };
        let server = self.inner.own.holder().server;
        let sql = format!("SELECT 'mine', task_id, attempt FROM runs WHERE server_id = '{server}'");
        let answer = leases.renewals.query(&sql, ANSWER).await?;
        Ok(rows(&answer).filter_map(run).collect())
    }
}

/// The run in a row's second and third column.
fn run(row: &SimpleQueryRow) -> Option<Run> {
    let number = |column| row.try_get(column).ok()??.parse::<i64>().ok();
    Some(Run { task: TaskId(number(1)?), attempt: u32::try_from(number(2)?).ok()? })
}

/// The request in a row. None if it cannot be read: another version wrote it.
fn asked(row: &SimpleQueryRow, run: Run) -> Option<Asked> {
    let text = |column| row.try_get(column).ok()?;
    Some(Asked { id: text(3)?.parse().ok()?, run, request: serde_json::from_str(text(4)?).ok()? })
}
