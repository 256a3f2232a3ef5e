//! A new database for each test, and raw SQL on it that bypasses the store.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use protocol::{NewProject, Project, ProjectId};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use store::Store;
use test_postgres::cluster;

/// One database; removed with its folder, or with the cluster.
pub struct Database {
    /// The address for `Store::open`.
    pub url: String,
    /// The folder of the SQLite file; none on PostgreSQL.
    pub folder: Option<tempfile::TempDir>,
}

impl Database {
    /// A path in a new folder, with no file yet.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = folder.path().join("emberline.sqlite").display().to_string();
        Self { url, folder: Some(folder) }
    }

    /// An empty database on the cluster, if there is one.
    pub async fn postgres() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let cluster = tokio::task::spawn_blocking(cluster).await.expect("PostgreSQL starts")?;
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        // The socket is there a moment before the server takes connections.
        let admin = Self { url: cluster.address("postgres"), folder: None };
        for attempt in 0.. {
            match tokio_postgres::connect(&admin.url, tokio_postgres::NoTls).await {
                Ok(_) => break,
                Err(_) if attempt < 100 => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                Err(error) => panic!("PostgreSQL lets nobody in: {error:?}"),
            }
        }
        admin.execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        Some(Self { url: cluster.address(&name), folder: None })
    }

    pub fn is_sqlite(&self) -> bool {
        self.folder.is_some()
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url).await.expect("the database opens")
    }

    /// Runs SQL that must succeed.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Runs SQL and returns the database's error.
    pub async fn try_execute(&self, sql: &str) -> Result<(), String> {
        if self.is_sqlite() {
            return self.raw_sqlite().batch_execute(sql).map_err(|error| error.to_string());
        }
        self.raw_postgres().await.batch_execute(sql).await.map_err(|error| format!("{error:?}"))
    }

    /// Runs SQL as a faulty program could: without checks and NOT NULL of that table's columns.
    pub async fn force(&self, (table, column): (&str, &str), sql: &str) {
        if self.is_sqlite() {
            let script = format!(
                "PRAGMA writable_schema = ON; \
                 UPDATE sqlite_master SET sql = replace(replace(sql, '{column} TEXT NOT NULL', '{column} TEXT'), \
                 '{column} INTEGER NOT NULL', '{column} INTEGER') WHERE name = '{table}'; \
                 PRAGMA writable_schema = RESET; PRAGMA ignore_check_constraints = ON; {sql}"
            );
            return self.execute(&script).await;
        }
        let drop_checks = format!(
            "DO $$ DECLARE name text; BEGIN FOR name IN SELECT conname FROM pg_constraint \
             WHERE contype = 'c' AND conrelid = '{table}'::regclass LOOP \
             EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I', name); END LOOP; END $$"
        );
        self.execute(&drop_checks).await;
        self.execute(&format!("ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")).await;
        self.execute(sql).await;
    }

    /// The number that a query returns.
    pub async fn number(&self, sql: &str) -> i64 {
        if self.is_sqlite() {
            return diesel::dsl::sql::<diesel::sql_types::BigInt>(sql)
                .get_result(&mut self.raw_sqlite())
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let row = self.raw_postgres().await.query_one(sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// A separate SQLite connection without a busy timeout.
    pub fn raw_sqlite(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.url).expect("the file opens");
        connection.batch_execute("PRAGMA foreign_keys = ON").expect("a pragma");
        connection
    }

    async fn raw_postgres(&self) -> tokio_postgres::Client {
        let connected = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap_or_else(|error| panic!("{}: {error:?}", self.url));
        tokio::spawn(connection);
        client
    }

    /// Inserts a frame at the end of the timeline.
    pub async fn add_frame(&self, project: ProjectId) -> i64 {
        self.number(&format!(
            "INSERT INTO frames (project_id, position, created_at) \
             SELECT {project}, count(*), 0 FROM frames WHERE project_id = {project} RETURNING id"
        ))
        .await
    }

    /// A task for the frame and its take of that key, finished at `finished_at` (epoch milliseconds) or running.
    pub async fn add_take(&self, frame: i64, key: &str, finished_at: Option<i64>) -> i64 {
        let (status, ended) = match finished_at {
            Some(ms) => ("completed", ms.to_string()),
            None => ("running", "NULL".to_owned()),
        };
        let task = self
            .number(&format!(
                "INSERT INTO tasks (project_id, frame_id, status, attempt, parameters, seed, queue_order, created_at, \
                 started_at, finished_at) SELECT project_id, id, '{status}', 1, '{{}}', 7, 1, 0, 0, {ended} \
                 FROM frames WHERE id = {frame} RETURNING id"
            ))
            .await;
        let (etag, step) = if finished_at.is_some() { ("'e'", "30") } else { ("NULL", "NULL") };
        self.number(&format!(
            "INSERT INTO takes (project_id, frame_id, task_id, key, width, height, etag, finished_step, finished_at, \
             created_at) SELECT project_id, id, {task}, '{key}', 64, 64, {etag}, {step}, {ended}, 0 \
             FROM frames WHERE id = {frame} RETURNING id"
        ))
        .await
    }
}

/// A request for a project of that name.
pub fn new_project(name: &str) -> NewProject {
    NewProject { name: name.to_owned(), width: 1024, height: 768, fps: 12 }
}

/// Creates a project with this name.
pub async fn create(store: &Store, name: &str) -> Project {
    store.create_project(new_project(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Lists the projects' names.
pub async fn names(store: &Store) -> Vec<String> {
    let listed = store.all_projects().await.expect("the list");
    listed.into_iter().map(|project| project.name).collect()
}

/// Polls a call until it is done or has had to wait that many times, and then drops it.
pub async fn cancel_at(waits: usize, call: impl Future) {
    let mut call = pin!(call);
    let mut waited = 0;
    poll_fn(|context| {
        waited += 1;
        let is_done = call.as_mut().poll(context).is_ready();
        if is_done || waited >= waits { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
