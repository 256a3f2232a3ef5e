//! Queries for the recovery at a start, which reconciles rows and files.

use crate::changes::{Change, Outcome, frame_after};
use crate::claims::{OpenTask, open_tasks_from_rows};
use crate::clock::now_ms;
use crate::locks::LockQueries;
use crate::not_found::no_take;
use crate::rows::{FrameRow, ProjectRow, TakeRow, TaskRow};
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::ShowQueries;
use crate::takes::TakeQueries;
use crate::tasks::{FullRow, full_tasks, status_from_text};
use crate::transaction::{change, on_connections, read};
use crate::unreadable::{load_readable, readable};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, ProjectId, TakeId, TaskId, TaskStatus};

/// A file that a take's row refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeFile {
    /// The file is `<key>.png`.
    pub key: String,
    /// Its take.
    pub take_id: TakeId,
    /// True for the final picture, false for a preview.
    pub finished: bool,
    /// The take's task.
    pub task_id: TaskId,
    /// The task's status.
    pub status: TaskStatus,
}

/// Everything that the database knows about a picture.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TakeRecord {
    /// The take.
    pub take: TakeRow,
    /// Its task, with the generation parameters.
    pub task: TaskRow,
    /// Its frame.
    pub frame: FrameRow,
    /// Its project.
    pub project: ProjectRow,
}

/// Result of removing a finished take whose file is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Its frame in its new state; none when it was removed or is deleted.
    pub frame: Option<Frame>,
    /// The frame before it was removed, when it was removed because nothing was left to show.
    pub frame_removed: Option<Frame>,
}

impl Outcome for Forgotten {
    fn changes(&self) -> Vec<Change> {
        frame_after(self.frame.as_ref(), self.frame_removed.as_ref()).into_iter().collect()
    }
}

/// A take's key, id and finish time, its task's id, status, and whether that is paused.
type FileRow = (String, i64, Option<i64>, i64, String, bool);

on_connections! {
    trait RecoveryQueries;

    /// See [`Store::forget_take`].
    async fn forget(conn: Db, id: TakeId) -> Result<Forgotten, StoreError> {
        let project: Option<i64> =
            takes::table.find(id.0).select(takes::project_id).first(conn).await.optional()?;
        let project = project.ok_or_else(|| no_take(id))?;
        conn.lock_project(project).await?;
        let row = takes::table.find(id.0).select(TakeRow::as_select()).first(conn).await.optional()?;
        let row: TakeRow = row.ok_or_else(|| no_take(id))?;
        if row.finished_at.is_none() {
            let why = format!("take {id} is not finished: end or requeue task {} instead", row.task_id);
            return Err(StoreError::Conflict { why });
        }
        let before = conn.frame_shown(row.frame_id).await?;
        let frame_id = row.frame_id;
        conn.deselect_take(row).await?;
        diesel::delete(takes::table.find(id.0)).execute(conn).await?;
        let is_removed = conn.delete_if_empty(frame_id, now_ms()).await?;
        let frame = conn.frame_shown(frame_id).await?;
        Ok(Forgotten { frame, frame_removed: before.filter(|_| is_removed) })
    }
}

impl Store {
    /// The tasks with the status `running`, those of deleted frames and projects included. At a start these are the tasks
    /// that the last run left unfinished. Rows that cannot be read are skipped.
    pub async fn interrupted_tasks(&self) -> Result<Vec<OpenTask>, StoreError> {
        let rows: Vec<FullRow> = read!(self, |conn| {
            let running = tasks::status.eq(TaskStatus::Running.as_str());
            Ok(load_readable!(
                conn, "tasks",
                all: full_tasks!().filter(running).order(tasks::id),
                ids: tasks::table.filter(running).order(tasks::id).select(tasks::id),
                one: |id| full_tasks!().filter(tasks::id.eq(id)),
            ))
        })?;
        open_tasks_from_rows(rows)
    }

    /// Every file that a row refers to, deleted frames and projects included.
    pub async fn take_files(&self) -> Result<Vec<TakeFile>, StoreError> {
        let rows: Vec<FileRow> = read!(self, |conn| {
            let all = || takes::table.inner_join(tasks::table.on(tasks::id.eq(takes::task_id))).order(takes::id);
            let columns = (takes::key, takes::id, takes::finished_at, takes::task_id, tasks::status, tasks::paused);
            Ok(load_readable!(
                conn, "takes",
                all: all().select(columns),
                ids: all().select(takes::id),
                one: |id| all().filter(takes::id.eq(id)).select(columns),
            ))
        })?;
        let mut files = Vec::with_capacity(rows.len());
        for (key, take, finished_at, task, status, paused) in rows {
            let status = if paused { Ok(TaskStatus::Paused) } else { status_from_text(&status) };
            let status = readable("tasks", task, status)?;
            let (take_id, task_id, finished) = (TakeId(take), TaskId(task), finished_at.is_some());
            files.extend(status.map(|status| TakeFile { key, take_id, finished, task_id, status }));
        }
        Ok(files)
    }

    /// The keys of all takes, even of rows that cannot be read as a whole: a file with such a key belongs to a row.
    pub async fn take_keys(&self) -> Result<Vec<String>, StoreError> {
        let keys: Vec<Option<String>> = read!(self, |conn| {
            // The column is never NULL or invalid UTF-8 unless the database is damaged; one such value must not fail the
            // whole query.
            Ok(load_readable!(
                conn, "takes",
                all: takes::table.order(takes::id).select(takes::key.nullable()),
                ids: takes::table.order(takes::id).select(takes::id),
                one: |id| takes::table.find(id).select(takes::key.nullable()),
            ))
        })?;
        Ok(keys.into_iter().flatten().collect())
    }

    /// The key and the project of every take, deleted frames and projects included. Rows that cannot be read are skipped.
    pub async fn take_projects(&self) -> Result<Vec<(String, ProjectId)>, StoreError> {
        let rows: Vec<(String, i64)> = read!(self, |conn| {
            let columns = (takes::key, takes::project_id);
            Ok(load_readable!(
                conn, "takes",
                all: takes::table.order(takes::id).select(columns),
                ids: takes::table.order(takes::id).select(takes::id),
                one: |id| takes::table.find(id).select(columns),
            ))
        })?;
        Ok(rows.into_iter().map(|(key, project)| (key, ProjectId(project))).collect())
    }

    /// Everything that the database knows about these takes. Takes that do not exist or cannot be read are skipped.
    pub async fn take_records(&self, ids: &[TakeId]) -> Result<Vec<TakeRecord>, StoreError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<(TakeRow, TaskRow, FrameRow, ProjectRow)> = read!(self, |conn| {
            let mut rows = Vec::with_capacity(ids.len());
            // In chunks: SQLite allows 32,766 bound values in a query.
            for ids in ids.chunks(1000) {
                let all = || {
                    takes::table
                        .inner_join(tasks::table.on(tasks::id.eq(takes::task_id)))
                        .inner_join(frames::table.on(frames::id.eq(takes::frame_id)))
                        .inner_join(projects::table.on(projects::id.eq(takes::project_id)))
                        .order(takes::id)
                };
                let columns =
                    || (TakeRow::as_select(), TaskRow::as_select(), FrameRow::as_select(), ProjectRow::as_select());
                let part: Vec<(TakeRow, TaskRow, FrameRow, ProjectRow)> = load_readable!(
                    conn, "takes",
                    all: all().filter(takes::id.eq_any(ids)).select(columns()),
                    ids: all().filter(takes::id.eq_any(ids)).select(takes::id),
                    one: |id| all().filter(takes::id.eq(id)).select(columns()),
                );
                rows.extend(part);
            }
            Ok(rows)
        })?;
        Ok(rows.into_iter().map(|(take, task, frame, project)| TakeRecord { take, task, frame, project }).collect())
    }

    /// Deletes the row of a finished take whose file is missing. If its frame had selected it, selects the newest other
    /// finished take. Deletes a frame with nothing left to show.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the take is not finished; [`StoreError::NotFound`].
    pub async fn forget_take(&self, id: TakeId) -> Result<Forgotten, StoreError> {
        change!(self, |conn| { conn.forget(id).await })
    }
}
