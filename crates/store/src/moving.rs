//! Copies all rows into another database: `emberline move`.

use crate::backend::{Pools, postgres, sqlite};
use crate::objects::FinalPicture;
use crate::rows::{
    FrameRow, IdempotencyRow, LibraryFileRow, ProjectRow, SettingRow, StyleRow, TakeRow, TaskRow, from_column,
};
use crate::schema::{frames, idempotency_keys, library_files, projects, settings, styles, takes, tasks};
use crate::trace_objects::{TraceObject, TraceQueries, TraceRow};
use crate::transaction::{checkout, in_own_task, on_connections, read, write};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use std::{collections::HashMap, sync::Arc};

/// Rows that are read at a time.
const PAGE: i64 = 1000;

/// Tables whose ids the database gives out.
const NUMBERED: [&str; 5] = ["projects", "frames", "tasks", "takes", "styles"];

/// Setting of what the servers of a PostgreSQL database offer; a new database may have it before any server used it.
const OFFERED: &str = "offered";

/// How many rows were copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopiedRows {
    /// Projects, deleted ones included, as everywhere here.
    pub projects: usize,
    /// Frames.
    pub frames: usize,
    /// Generation tasks.
    pub tasks: usize,
    /// Takes.
    pub takes: usize,
    /// Styles.
    pub styles: usize,
    /// Settings.
    pub settings: usize,
    /// Files of the library.
    pub library_files: usize,
    /// Answers that are kept for requests that are sent again.
    pub idempotency_keys: usize,
}

/// A take whose picture is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTake {
    /// The picture is at `/media/<key>.png`.
    pub key: String,
    /// The attempt that made it, or the last one.
    pub attempt: u32,
    /// The picture; none until it is finished.
    pub picture: Option<FinalPicture>,
}

/// A trace or a saved state that is an object at the new place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTrace {
    /// The object.
    pub of: TraceObject,
    /// When it was stored, epoch milliseconds.
    pub created_at: i64,
}

/// Key, attempt, etag, object.
type TakeColumns = (String, i32, Option<String>, Option<String>);

/// The last id that a table gave out.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
struct LastId {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

#[derive(QueryableByName)]
struct Migration {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Loads the next rows of a table in the order of ids.
macro_rules! page {
    ($conn:ident, $table:ident, $row:ty, $after:ident) => {{
        let rows = $table::table.filter($table::id.gt($after)).order($table::id).limit(PAGE);
        Ok(rows.select(<$row>::as_select()).load($conn).await?)
    }};
}

/// Inserts rows one by one: SQLite has no DEFAULT for the columns of several rows.
macro_rules! insert {
    ($conn:ident, $table:ident, $rows:ident) => {{
        for row in $rows {
            diesel::insert_into($table::table).values(row).execute($conn).await?;
        }
        Ok(())
    }};
}

on_connections! {
    trait MovingQueries;

    async fn next_projects(conn: Db, after: i64) -> Result<Vec<ProjectRow>, StoreError> {
        page!(conn, projects, ProjectRow, after)
    }
    async fn next_frames(conn: Db, after: i64) -> Result<Vec<FrameRow>, StoreError> {
        page!(conn, frames, FrameRow, after)
    }
    async fn next_tasks(conn: Db, after: i64) -> Result<Vec<TaskRow>, StoreError> {
        page!(conn, tasks, TaskRow, after)
    }
    async fn next_takes(conn: Db, after: i64) -> Result<Vec<TakeRow>, StoreError> {
        page!(conn, takes, TakeRow, after)
    }
    async fn next_styles(conn: Db, after: i64) -> Result<Vec<StyleRow>, StoreError> {
        page!(conn, styles, StyleRow, after)
    }

    async fn put_projects(conn: Db, rows: Vec<ProjectRow>) -> Result<(), StoreError> {
        insert!(conn, projects, rows)
    }
    async fn put_frames(conn: Db, rows: Vec<FrameRow>) -> Result<(), StoreError> {
        insert!(conn, frames, rows)
    }
    async fn put_tasks(conn: Db, rows: Vec<TaskRow>) -> Result<(), StoreError> {
        insert!(conn, tasks, rows)
    }
    async fn put_takes(conn: Db, rows: Vec<TakeRow>) -> Result<(), StoreError> {
        insert!(conn, takes, rows)
    }
    async fn put_styles(conn: Db, rows: Vec<StyleRow>) -> Result<(), StoreError> {
        insert!(conn, styles, rows)
    }

    /// The tables whose ids are not numbers.
    async fn named_rows(conn: Db) -> Result<Named, StoreError> {
        Ok(Named {
            settings: settings::table.filter(settings::name.ne(OFFERED)).select(SettingRow::as_select()).load(conn).await?,
            library_files: library_files::table.select(LibraryFileRow::as_select()).load(conn).await?,
            idempotency_keys: idempotency_keys::table.select(IdempotencyRow::as_select()).load(conn).await?,
        })
    }

    async fn put_named_rows(conn: Db, rows: Named) -> Result<(), StoreError> {
        let Named { settings, library_files, idempotency_keys } = rows;
        for row in settings {
            diesel::insert_into(settings::table).values(row).execute(conn).await?;
        }
        for row in library_files {
            diesel::insert_into(library_files::table).values(row).execute(conn).await?;
        }
        insert!(conn, idempotency_keys, idempotency_keys)
    }

    /// See [`Store::copy_into`].
    async fn put_trace_objects(conn: Db, traces: Vec<MovedTrace>) -> Result<(), StoreError> {
        let rows = traces.into_iter().map(|MovedTrace { of, created_at }| TraceRow::new(of, created_at));
        conn.put_traces(rows.collect::<Result<_, _>>()?).await
    }

    async fn takes_to_move(conn: Db) -> Result<Vec<TakeColumns>, StoreError> {
        let all = takes::table.inner_join(tasks::table.on(tasks::id.eq(takes::task_id))).order(takes::id);
        Ok(all.select((takes::key, tasks::attempt, takes::etag, takes::object)).load(conn).await?)
    }

    /// The migrations that have run.
    async fn schema(conn: Db) -> Result<Vec<String>, StoreError> {
        let versions = diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version");
        Ok(versions.load::<Migration>(conn).await?.into_iter().map(|migration| migration.version).collect())
    }

    /// The name of a table that has rows; none in a new database.
    async fn used_table(conn: Db) -> Result<Option<&'static str>, StoreError> {
        let projects: i64 = projects::table.count().get_result(conn).await?;
        let styles: i64 = styles::table.count().get_result(conn).await?;
        let files: i64 = library_files::table.count().get_result(conn).await?;
        let settings: i64 = settings::table.filter(settings::name.ne(OFFERED)).count().get_result(conn).await?;
        let counts = [("projects", projects), ("styles", styles), ("library_files", files), ("settings", settings)];
        Ok(counts.into_iter().find(|(_, rows)| *rows > 0).map(|(name, _)| name))
    }
}

/// Rows of the tables whose ids are not numbers.
pub(crate) struct Named {
    settings: Vec<SettingRow>,
    library_files: Vec<LibraryFileRow>,
    idempotency_keys: Vec<IdempotencyRow>,
}

/// The ids that a database gives out, which each database keeps in its own way.
trait IdQueries {
    /// The last ids of the [`NUMBERED`] tables, which may be those of rows that are gone.
    async fn last_ids(&mut self) -> Result<Vec<LastId>, StoreError>;
    /// Allows rows with ids of their own, until [`IdQueries::continue_after`].
    async fn accept_ids(&mut self) -> Result<(), StoreError>;
    /// Gives out ids after these from now on.
    async fn continue_after(&mut self, ids: Vec<LastId>) -> Result<(), StoreError>;
}

impl IdQueries for sqlite::Connection {
    async fn last_ids(&mut self) -> Result<Vec<LastId>, StoreError> {
        Ok(diesel::sql_query("SELECT name, seq AS last FROM sqlite_sequence").load(self).await?)
    }

    async fn accept_ids(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn continue_after(&mut self, ids: Vec<LastId>) -> Result<(), StoreError> {
        for LastId { name, last } in ids {
            // A table has a row here only after its first insertion.
            diesel::sql_query("DELETE FROM sqlite_sequence WHERE name = ?")
                .bind::<Text, _>(name.clone())
                .execute(self)
                .await?;
            let put = diesel::sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)");
            put.bind::<Text, _>(name).bind::<BigInt, _>(last).execute(self).await?;
        }
        Ok(())
    }
}

impl IdQueries for postgres::Connection {
    async fn last_ids(&mut self) -> Result<Vec<LastId>, StoreError> {
        let tables = NUMBERED.map(|name| format!("('{name}')")).join(", ");
        let query = format!(
            "SELECT name, coalesce(pg_sequence_last_value(pg_get_serial_sequence(name, 'id')::regclass), 0) AS last \
             FROM (VALUES {tables}) AS tables (name)"
        );
        Ok(diesel::sql_query(query).load(self).await?)
    }

    async fn accept_ids(&mut self) -> Result<(), StoreError> {
        let alter = |name: &str| format!("ALTER TABLE {name} ALTER COLUMN id SET GENERATED BY DEFAULT;");
        Ok(self.batch_execute(&NUMBERED.map(alter).concat()).await?)
    }

    async fn continue_after(&mut self, ids: Vec<LastId>) -> Result<(), StoreError> {
        for LastId { name, last } in ids.into_iter().filter(|id| id.last > 0) {
            let put = diesel::sql_query("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)");
            put.bind::<Text, _>(name).bind::<BigInt, _>(last).execute(self).await?;
        }
        // A foreign key that is checked at the end of the transaction forbids ALTER TABLE before.
        self.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await?;
        let alter = |name: &str| format!("ALTER TABLE {name} ALTER COLUMN id SET GENERATED ALWAYS;");
        Ok(self.batch_execute(&NUMBERED.map(alter).concat()).await?)
    }
}

/// Copies a table page by page, with a change of each row. Returns the number of its rows.
macro_rules! copied {
    ($from:ident, $conn:ident, $next:ident, $put:ident) => {
        copied!($from, $conn, $next, $put, |_| {})
    };
    ($from:ident, $conn:ident, $next:ident, $put:ident, $change:expr) => {{
        let (mut after, mut count) = (i64::MIN, 0);
        loop {
            let mut rows = read!($from, |conn| { conn.$next(after).await })?;
            rows.iter_mut().for_each($change);
            let Some(last) = rows.last() else { break count };
            after = last.id;
            count += rows.len();
            $conn.$put(rows).await?;
        }
    }};
}

/// `$1` is the take's key. Only for a task that has not gone on since its rows were copied.
const PUT_PREVIEW: &str = "\
    INSERT INTO live_previews (take_id, attempt, step, etag, png) \
    SELECT t.id, k.attempt, k.done_steps, $2, $3 FROM takes t JOIN tasks k ON k.id = t.task_id \
    WHERE t.key = $1 AND t.etag IS NULL AND k.status = 'queued' AND k.attempt >= 1 AND k.done_steps > 0 \
    ON CONFLICT DO NOTHING";

impl Store {
    /// All takes and their pictures, deleted ones included.
    ///
    /// # Errors
    /// A row that cannot be read; a database that fails.
    pub async fn takes_to_move(&self) -> Result<Vec<MovedTake>, StoreError> {
        let rows = read!(self, |conn| { conn.takes_to_move().await })?;
        let take = |(key, attempt, etag, object): TakeColumns| {
            let attempt = from_column("tasks.attempt", attempt)?;
            Ok(MovedTake { key, attempt, picture: etag.map(|etag| FinalPicture { etag, object }) })
        };
        rows.into_iter().map(take).collect()
    }

    /// Stores the preview of a task that waits with steps that are done, where servers share the database. Nothing on SQLite.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn put_waiting_preview(&self, key: &str, etag: &str, png: Vec<u8>) -> Result<(), StoreError> {
        let Pools::Postgres(pool) = &self.inner.pools else { return Ok(()) };
        let (inner, pool) = (Arc::clone(&self.inner), pool.clone());
        let (key, etag) = (key.to_owned(), etag.to_owned());
        in_own_task(async move {
            let mut object = checkout(&inner.database, pool.get()).await?;
            let put = diesel::sql_query(PUT_PREVIEW).bind::<Text, _>(key).bind::<Text, _>(etag);
            put.bind::<Binary, _>(png).execute(&mut *object).await?;
            Ok(())
        })
        .await
    }

    /// Copies all rows of this database into a new one, in one transaction: all or none. The pictures of takes with these keys are
    /// these objects there, and all others files; `traces` are the traces and saved states that are objects there. Ids stay the same, and the new database
    /// continues after the last ones given out here. What servers keep for each other while they run is not copied.
    /// Nothing may change this database meanwhile.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] for a database of a newer version; [`StoreError::Conflict`] if the other one has been used; a row that cannot be read, or that the other database
    /// does not accept; a database that fails.
    pub async fn copy_into(
        &self,
        to: &Self,
        objects: HashMap<String, String>,
        traces: Vec<MovedTrace>,
    ) -> Result<CopiedRows, StoreError> {
        let from = self.clone();
        let last_ids = read!(self, |conn| { conn.last_ids().await })?;
        // Servers accept a database of a newer version; its new columns would be left behind here.
        let schema = read!(self, |conn| { conn.schema().await })?;
        let database = self.inner.database.clone();
        write!(to, |conn| {
            let known = conn.schema().await?;
            let unknown: Vec<String> = schema.into_iter().filter(|version| !known.contains(version)).collect();
            if !unknown.is_empty() {
                return Err(StoreError::TooNew { database, unknown });
            }
            if let Some(table) = conn.used_table().await? {
                return Err(StoreError::Conflict { why: format!("it has been used: there are rows in {table}") });
            }
            conn.accept_ids().await?;
            let mut copied = CopiedRows {
                projects: copied!(from, conn, next_projects, put_projects),
                frames: copied!(from, conn, next_frames, put_frames),
                tasks: copied!(from, conn, next_tasks, put_tasks),
                takes: copied!(from, conn, next_takes, put_takes, |take: &mut TakeRow| {
                    take.object = objects.get(&take.key).cloned();
                }),
                styles: copied!(from, conn, next_styles, put_styles),
                ..CopiedRows::default()
            };
            let named = read!(from, |conn| { conn.named_rows().await })?;
            copied.settings = named.settings.len();
            copied.library_files = named.library_files.len();
            copied.idempotency_keys = named.idempotency_keys.len();
            conn.put_named_rows(named).await?;
            conn.put_trace_objects(traces).await?;
            conn.continue_after(last_ids).await?;
            Ok(copied)
        })
    }
}
