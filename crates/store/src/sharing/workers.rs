//! What the servers and workers of a database have: each says it of itself, and all read it.

use crate::backend::postgres::rows;
use crate::needs::{FindNeeds, Needs, OwnFiles};
use crate::{Store, StoreError};
use protocol::{AdvertisedModel, Parameters, TaskId, Worker, WorkerId, WorkerKind, WorkerModel};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_postgres::SimpleQueryRow;

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What a process says of itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct About {
    /// Its name, for users.
    pub name: String,
    /// Server or worker.
    pub kind: WorkerKind,
    /// The device that it computes on.
    pub device: String,
    /// Pictures that it makes at the same time.
    pub concurrency: u32,
    /// The models that it has, the default first.
    pub models: Vec<AdvertisedModel>,
    /// Names of those that are in memory.
    pub loaded: Vec<String>,
    /// The version of the drawing protocol that it draws. 0 of a process that does not say: it draws version 1.
    pub protocol: u32,
    /// The LoRA files and embeddings that it has.
    pub files: OwnFiles,
}

/// A process that uses the database.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Its id.
    pub id: String,
    /// Its version of Emberline.
    pub version: String,
    /// What it says of itself.
    pub about: About,
    /// Whether it starts no more tasks.
    pub draining: bool,
    /// The tasks that it runs.
    pub tasks: Vec<TaskId>,
}

/// What the others know of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnProcess {
    /// Whether it has said anything of itself.
    pub has_said: bool,
    /// Whether it starts no more tasks.
    pub draining: bool,
}

impl Process {
    /// The process for clients.
    pub fn to_worker(&self) -> Worker {
        let Self { id, version, about, draining, tasks } = self.clone();
        let named = |AdvertisedModel { model, fingerprint }| WorkerModel { name: model.name, fingerprint };
        Worker {
            id: WorkerId(id),
            name: about.name,
            kind: about.kind,
            version,
            device: about.device,
            concurrency: about.concurrency,
            models: about.models.into_iter().map(named).collect(),
            loaded: about.loaded,
            draining,
            tasks,
        }
    }
}

/// What changes when a process begins, ends, says something else of itself, or starts or ends a task.
const DIGEST: &str = "SELECT md5(concat( \
    (SELECT string_agg(concat(id, revision, draining), ',' ORDER BY id) FROM servers WHERE lease_until > clock_timestamp()), \
    (SELECT string_agg(concat(task_id, attempt, server_id), ',' ORDER BY task_id) FROM runs)))";

/// `(id, version, about, draining, tasks)`.
const PROCESSES: &str = "SELECT s.id, s.version, s.about, s.draining, \
        (SELECT string_agg(r.task_id::text, ',' ORDER BY r.task_id) FROM runs r WHERE r.server_id = s.id) \
    FROM servers s WHERE s.lease_until > clock_timestamp() ORDER BY s.started_at, s.id";

impl Store {
    /// Tells the others what this process has. Returns whether it is recorded: not before it is registered, and not on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn advertise(&self, about: &About) -> Result<bool, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(false) };
        let Ok(text) = serde_json::to_string(about) else { return Ok(false) };
        let (id, text) = (self.inner.own.holder().server, text.replace('\'', "''"));
        let sql =
            format!("UPDATE servers SET about = '{text}', revision = revision + 1 WHERE id = '{id}' RETURNING id");
        Ok(rows(&leases.steps.query(&sql, ANSWER).await?).next().is_some())
    }

    /// A text that changes with [`Store::processes`]. Empty on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn processes_digest(&self) -> Result<String, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(String::new()) };
        let answer = leases.steps.query(DIGEST, ANSWER).await?;
        Ok(rows(&answer).next().and_then(|row| text(row, 0)).unwrap_or_default().to_owned())
    }

    /// What the others know of this process; none before it is registered, and on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn own_process(&self) -> Result<Option<OwnProcess>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(None) };
        let id = self.inner.own.holder().server;
        let own = format!("SELECT about IS NOT NULL, draining FROM servers WHERE id = '{id}'");
        let answer = leases.steps.query(&own, ANSWER).await?;
        let is = |row, column| text(row, column) == Some("t");
        Ok(rows(&answer).next().map(|row| OwnProcess { has_said: is(row, 0), draining: is(row, 1) }))
    }

    /// The servers and workers that use the database, the oldest first. None on SQLite.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn processes(&self) -> Result<Vec<Process>, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(Vec::new()) };
        Ok(rows(&leases.steps.query(PROCESSES, ANSWER).await?).filter_map(process).collect())
    }

    /// Lets a process start no more tasks, or start them again. Returns whether there is such a process.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn set_draining(&self, id: &str, draining: bool) -> Result<bool, StoreError> {
        let Some(leases) = &self.inner.leases else { return Ok(false) };
        // Anything but a process' id would be SQL.
        if !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(false);
        }
        let sql = format!(
            "UPDATE servers SET draining = {draining} WHERE id = '{id}' AND lease_until > clock_timestamp() \
             RETURNING id, set_config('synchronous_commit', 'on', TRUE)"
        );
        Ok(rows(&leases.steps.query(&sql, ANSWER).await?).next().is_some())
    }

    /// Sets which models this process has: on PostgreSQL it claims only tasks with these, from now on. All without this call.
    pub fn set_models(&self, names: Vec<String>) {
        self.inner.own.set_models(names);
    }

    /// Sets how it is found what a task needs. Until then a task needs nothing. Only the first call counts.
    pub fn find_needs(&self, find: FindNeeds) {
        self.inner.find_needs.set(find).ok();
    }

    /// What a task with these parameters needs.
    pub fn needs(&self, of: &Parameters) -> Needs {
        self.inner.needs(of)
    }

    /// Sets the version of the drawing protocol that this process draws, and the files that it has: on PostgreSQL it claims only tasks
    /// that need no more, from now on. Without this call it claims tasks of any version and with any files.
    pub fn set_abilities(&self, protocol: u32, files: OwnFiles) {
        self.inner.own.set_abilities(protocol, files);
    }
}

fn text(row: &SimpleQueryRow, column: usize) -> Option<&str> {
    row.try_get(column).ok()?
}

fn process(row: &SimpleQueryRow) -> Option<Process> {
    let tasks = text(row, 4).unwrap_or_default().split(',').filter_map(|id| id.parse().ok().map(TaskId)).collect();
    Some(Process {
        id: text(row, 0)?.to_owned(),
        version: text(row, 1)?.to_owned(),
        // It has not said anything yet, or is of another version.
        about: text(row, 2).and_then(|about| serde_json::from_str(about).ok()).unwrap_or_default(),
        draining: text(row, 3) == Some("t"),
        tasks,
    })
}
