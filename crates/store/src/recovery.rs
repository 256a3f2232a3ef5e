//! What a start needs to bring rows and files together again.

use crate::clock::now_ms;
use crate::frames::FrameQueries;
use crate::lifecycle::{OpenTask, open_task_from_row};
use crate::rows::TakeRow;
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::ShowQueries;
use crate::store::{on_connections, read, write};
use crate::takes::{TakeQueries, no_take};
use crate::tasks::{FullRow, full_tasks, status_from_text};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, TakeId, TaskId, TaskStatus};

/// A file that a row asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeFile {
    /// The file is `<key>.png`.
    pub key: String,
    /// Its take.
    pub take_id: TakeId,
    /// Whether it is the final picture, or a preview.
    pub finished: bool,
    /// The task that makes or made it.
    pub task_id: TaskId,
    /// That task's.
    pub status: TaskStatus,
}

/// A finished take that was forgotten because its file is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Its frame as it is now; none where it was removed, or was deleted before.
    pub frame: Option<Frame>,
    /// What its frame was, where it was removed because nothing was left to show.
    pub frame_removed: Option<Frame>,
}

on_connections! {
    trait RecoveryQueries;

    /// See [`Store::forget_take`].
    async fn forget(conn: Db, id: TakeId) -> Result<Forgotten, StoreError> {
        let project: Option<i64> =
            takes::table.find(id.0).select(takes::project_id).first(conn).await.optional()?;
        let project = project.ok_or_else(|| no_take(id))?;
        conn.hold_project(project).await?;
        let row = takes::table.find(id.0).select(TakeRow::as_select()).first(conn).await.optional()?;
        let row: TakeRow = row.ok_or_else(|| no_take(id))?;
        if row.finished_at.is_none() {
            let why = format!("take {id} is not finished: end or requeue task {} instead", row.task_id);
            return Err(StoreError::Conflict { why });
        }
        let before = conn.frame_shown(row.frame_id).await?;
        let frame_id = row.frame_id;
        conn.drop_finished_take(row).await?;
        let is_removed = conn.delete_if_empty(frame_id, now_ms()).await?;
        let frame = conn.frame_shown(frame_id).await?;
        Ok(Forgotten { frame, frame_removed: before.filter(|_| is_removed) })
    }
}

impl Store {
    /// The tasks that are running by the database: at a start, those that the last end interrupted. Those of
    /// deleted frames and projects too.
    pub async fn interrupted_tasks(&self) -> Result<Vec<OpenTask>, StoreError> {
        let rows: Vec<FullRow> = read!(self, |conn| {
            let running = full_tasks!().filter(tasks::status.eq(TaskStatus::Running.as_str())).order(tasks::id);
            Ok(running.load(conn).await?)
        })?;
        rows.into_iter().map(open_task_from_row).collect()
    }

    /// Every file that the rows ask for, those of deleted frames and projects too.
    pub async fn take_files(&self) -> Result<Vec<TakeFile>, StoreError> {
        let rows: Vec<(String, i64, Option<i64>, i64, String)> = read!(self, |conn| {
            let all = takes::table.inner_join(tasks::table.on(tasks::id.eq(takes::task_id))).order(takes::id);
            let columns = (takes::key, takes::id, takes::finished_at, takes::task_id, tasks::status);
            Ok(all.select(columns).load(conn).await?)
        })?;
        let file = |(key, take, finished_at, task, status): (_, _, Option<i64>, _, String)| {
            let status = status_from_text(&status)?;
            Ok(TakeFile { key, take_id: TakeId(take), finished: finished_at.is_some(), task_id: TaskId(task), status })
        };
        rows.into_iter().map(file).collect()
    }

    /// Removes the row of a finished take whose file is gone. Where its frame had selected it, the newest other
    /// finished take is selected; a frame with nothing left to show is removed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the take is not finished; [`StoreError::NotFound`].
    pub async fn forget_take(&self, id: TakeId) -> Result<Forgotten, StoreError> {
        write!(self, |conn| { conn.forget(id).await })
    }
}
