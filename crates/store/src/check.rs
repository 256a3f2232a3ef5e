//! Checks for `emberline doctor`: damage of the database's file, and rows that cannot be read. Changes nothing.

use crate::claims::open_task_from_row;
use crate::clock::rfc3339_from_ms;
use crate::rows::{FrameRow, LibraryFileRow, ProjectRow, StyleRow, TakeRow, from_column};
use crate::schema::{frames, idempotency_keys, library_files, projects, settings, styles, takes, tasks};
use crate::tasks::{FullRow, full_tasks, status_from_text, task_from_row};
use crate::transaction::{checkout, in_own_task, on_connections, read};
use crate::unreadable::UnreadableRow;
use crate::{
    Store, StoreError,
    backend::{Pools, sqlite},
};
use diesel::prelude::*;
use diesel::result::Error::{DeserializationError, NotFound};
use diesel_async::RunQueryDsl;
use protocol::AcceptedTask;
use std::sync::Arc;

/// Rows in one query.
const CHUNK: usize = 1000;

/// Reads all rows of a table in chunks, and appends to `bad` the rows that `check` or diesel rejects. `many` and `one`
/// select the same columns.
macro_rules! check_rows {
    (
        $conn:ident, $bad:ident, $table:literal, $ids:expr,
        many: |$part:ident| $many:expr,
        one: |$id:ident| $one:expr,
        check: $check:expr $(,)?
    ) => {{
        let ids: Vec<i64> = $ids.load($conn).await?;
        let mut found: Vec<(i64, String)> = Vec::new();
        for $part in ids.chunks(CHUNK) {
            let rows = match $many.load($conn).await {
                Err(DeserializationError(_)) => {
                    let mut rows = Vec::new();
                    for $id in $part.iter().copied() {
                        match $one.first($conn).await {
                            Ok(row) => rows.push(row),
                            Err(DeserializationError(why)) => found.push(($id, why.to_string())),
                            Err(NotFound) => {}
                            Err(error) => return Err(error.into()),
                        }
                    }
                    rows
                }
                loaded => loaded?,
            };
            for row in rows {
                let (id, checked) = $check(row);
                if let Err(error) = checked {
                    found.push((id, error.to_string()));
                }
            }
        }
        found.sort_unstable();
        $bad.extend(found.into_iter().map(|(id, why)| UnreadableRow { table: $table, row: id.to_string(), why }));
    }};
}

on_connections! {
    trait CheckQueries;

    /// See [`Store::unreadable_rows`].
    async fn unreadable_rows(conn: Db) -> Result<Vec<UnreadableRow>, StoreError> {
        let mut bad = Vec::new();
        check_rows!(
            conn, bad, "projects", projects::table.order(projects::id).select(projects::id),
            many: |part| projects::table.filter(projects::id.eq_any(part)).select(ProjectRow::as_select()),
            one: |id| projects::table.find(id).select(ProjectRow::as_select()),
            check: |row: ProjectRow| (row.id, check_project(&row)),
        );
        check_rows!(
            conn, bad, "frames", frames::table.order(frames::id).select(frames::id),
            many: |part| frames::table.filter(frames::id.eq_any(part)).select(FrameRow::as_select()),
            one: |id| frames::table.find(id).select(FrameRow::as_select()),
            check: |row: FrameRow| (row.id, check_frame(&row)),
        );
        check_rows!(
            conn, bad, "tasks", tasks::table.order(tasks::id).select(tasks::id),
            many: |part| full_tasks!().filter(tasks::id.eq_any(part)),
            one: |id| full_tasks!().filter(tasks::id.eq(id)),
            check: |row: FullRow| (row.0.id, check_task(row)),
        );
        check_rows!(
            conn, bad, "takes", takes::table.order(takes::id).select(takes::id),
            many: |part| takes::table.filter(takes::id.eq_any(part)).select(TakeRow::as_select()),
            one: |id| takes::table.find(id).select(TakeRow::as_select()),
            check: |row: TakeRow| (row.id, check_take(&row)),
        );
        check_rows!(
            conn, bad, "styles", styles::table.order(styles::id).select(styles::id),
            many: |part| styles::table.filter(styles::id.eq_any(part)).select(StyleRow::as_select()),
            one: |id| styles::table.find(id).select(StyleRow::as_select()),
            check: |row: StyleRow| (row.id, Ok::<(), StoreError>(())),
        );
        let all = library_files::table.select(LibraryFileRow::as_select());
        let files = match all.load(conn).await {
            Err(DeserializationError(_)) => {
                let ids: Vec<Option<String>> = library_files::table.select(library_files::id.nullable()).load(conn).await?;
                let mut files = Vec::new();
                for id in ids.into_iter().flatten() {
                    let one = library_files::table.find(id.clone()).select(LibraryFileRow::as_select());
                    match one.first(conn).await {
                        Ok(file) => files.push(file),
                        Err(DeserializationError(why)) => {
                            bad.push(UnreadableRow { table: "library_files", row: id, why: why.to_string() });
                        }
                        Err(NotFound) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                files
            }
            loaded => loaded?,
        };
        for file in files {
            if let Err(why) = check_library_file(&file) {
                bad.push(UnreadableRow { table: "library_files", row: file.id, why: why.to_string() });
            }
        }
        let names: Vec<Option<String>> = settings::table.select(settings::name.nullable()).load(conn).await?;
        for name in names.into_iter().flatten() {
            let value = settings::table.find(name.clone()).select(settings::value);
            if let Err(DeserializationError(why)) = value.first::<String>(conn).await {
                bad.push(UnreadableRow { table: "settings", row: name, why: why.to_string() });
            }
        }
        let columns = (idempotency_keys::key.nullable(), idempotency_keys::tasks.nullable());
        let answers: Vec<(Option<String>, Option<String>)> =
            idempotency_keys::table.select(columns).load(conn).await?;
        for (key, answer) in answers {
            if let Err(why) = serde_json::from_str::<Vec<AcceptedTask>>(&answer.unwrap_or_default()) {
                let row = key.unwrap_or_default();
                bad.push(UnreadableRow { table: "idempotency_keys", row, why: format!("tasks: {why}") });
            }
        }
        Ok(bad)
    }
}

fn check_project(row: &ProjectRow) -> Result<(), StoreError> {
    from_column("projects.width", row.width)?;
    from_column("projects.height", row.height)?;
    from_column("projects.fps", row.fps)?;
    rfc3339_from_ms("projects.created_at", row.created_at)?;
    rfc3339_from_ms("projects.updated_at", row.updated_at).map(drop)
}

fn check_frame(row: &FrameRow) -> Result<(), StoreError> {
    from_column("frames.duration", row.duration)?;
    rfc3339_from_ms("frames.created_at", row.created_at).map(drop)
}

fn check_task(row: FullRow) -> Result<(), StoreError> {
    match status_from_text(&row.0.status)?.is_open() {
        true => open_task_from_row(row).map(drop),
        false => task_from_row(row).map(drop),
    }
}

fn check_take(row: &TakeRow) -> Result<(), StoreError> {
    from_column("takes.width", row.width)?;
    from_column("takes.height", row.height)?;
    rfc3339_from_ms("takes.created_at", row.created_at).map(drop)
}

fn check_library_file(row: &LibraryFileRow) -> Result<(), StoreError> {
    let corrupt = |column, value: &dyn ToString| Err(StoreError::Corrupt { column, value: value.to_string() });
    if row.bytes < 0 {
        return corrupt("library_files.bytes", &row.bytes);
    }
    let is_hash = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match row.sha256.iter().chain(&row.tensors_sha256).find(|hash| !is_hash(hash)) {
        Some(hash) => corrupt("library_files.sha256", hash),
        None => Ok(()),
    }
}

impl Store {
    /// Every row of every table that cannot be read. Reads the whole database.
    pub async fn unreadable_rows(&self) -> Result<Vec<UnreadableRow>, StoreError> {
        read!(self, |conn| { conn.unreadable_rows().await })
    }

    /// Damage of the database's file (pages, indexes, constraints), in SQLite's words. Empty for a healthy file, and
    /// always for PostgreSQL, which checks its files itself. Reads the whole database.
    pub async fn damage(&self) -> Result<Vec<String>, StoreError> {
        let Pools::Sqlite { readers, .. } = &self.inner.pools else { return Ok(Vec::new()) };
        let (inner, pool) = (Arc::clone(&self.inner), readers.clone());
        in_own_task(async move {
            let mut connection = checkout(&inner.database, pool.get()).await?;
            sqlite::integrity(&mut connection).await
        })
        .await
    }
}
