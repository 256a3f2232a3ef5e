//! Leases: renewed once a second or so by each server, in one statement for all of its runs.

use crate::live::Run;
use crate::runs::Holder;
use crate::{Store, StoreError};
use protocol::TaskId;
use std::time::Duration;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

/// How long the database may take to answer where nothing waits for the answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The result of a renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// The runs of this process: their leases last from now on. One that is not here is over.
    pub mine: Vec<(Run, Kept)>,
    /// Runs whose leases are over.
    pub expired: Vec<Run>,
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
             RETURNING TRUE, task_id, attempt, keep; \
         SELECT FALSE, task_id, attempt, FALSE FROM runs WHERE lease_until < clock_timestamp()"
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
        for (is_mine, run, is_kept) in rows(&leases.renewals.query(&sql, at_most).await?) {
            match is_mine {
                true => renewed.mine.push((run, is_kept)),
                false => renewed.expired.push(run),
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
        let sql = format!("SELECT TRUE, task_id, attempt, keep FROM runs WHERE server_id = '{server}'");
        let answer = leases.renewals.query(&sql, ANSWER).await?;
        Ok(rows(&answer).into_iter().map(|(_, run, _)| run).collect())
    }
}

/// `(is mine, run, is kept)` of an answer.
fn rows(answer: &[SimpleQueryMessage]) -> Vec<(bool, Run, Kept)> {
    let read = |row: &SimpleQueryRow| {
        let is = |column| row.try_get(column).ok().flatten().map(|text| text == "t");
        let number = |column| row.try_get(column).ok().flatten().and_then(|text: &str| text.parse::<i64>().ok());
        let run = Run { task: TaskId(number(1)?), attempt: u32::try_from(number(2)?).ok()? };
        Some((is(0)?, run, is(3)?))
    };
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => read(row),
        _ => None,
    });
    rows.collect()
}
