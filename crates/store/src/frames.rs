//! Frames: list, read, change, delete, restore, copy, import, purge. What one shows is in [`crate::shows`].

use crate::clock::now_ms;
use crate::creation::{CreationQueries, InsertTake, NewTake, TakeColumns, columns_from_take};
use crate::projects::no_project;
use crate::rows::{FrameRow, TakeRow, TaskRow, stored};
use crate::schema::{frames, idempotency_keys, projects, takes, tasks};
use crate::shows::{OPEN, ShowQueries};
use crate::store::{on_connections, read, write};
use crate::takes::TakeQueries;
use crate::tasks::TaskQueries;
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, FrameId, FramePatch, ProjectId, TakeId, TaskId, TaskStatus};
use std::time::Duration;

/// How long at least an idempotency key is remembered.
const KEYS_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// A frame that a person deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedFrame {
    /// What it was.
    pub frame: Frame,
    /// Its tasks that wait or run: the caller cancels them.
    pub open_tasks: Vec<TaskId>,
}

/// A picture that is final when its rows are made.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedTake {
    /// Its file is `<key>.png`, and there already.
    pub take: NewTake,
    /// Hash of the file's bytes.
    pub etag: String,
    /// The sampling step that it was finished at.
    pub step: u32,
}

/// The columns of a task that is over, and of its take.
pub(crate) struct Finished {
    attempt: i32,
    started_at: Option<i64>,
    take: TakeColumns,
    etag: Option<String>,
    step: Option<i32>,
}

on_connections! {
    trait FrameQueries;

    /// Holds a project's row until the transaction ends, so that one change at a time is made to its frames,
    /// takes and tasks. Whether it is live; an error when there is none.
    ///
    /// A worker's claim of a task is the one change that is made without: it touches nothing but the task's
    /// row, and every other change of a task's status names the status that it changes.
    async fn hold_project(conn: Db, id: i64) -> Result<bool, StoreError> {
        let held = diesel::update(projects::table.find(id)).set(projects::updated_at.eq(projects::updated_at));
        let deleted_at: Option<Option<i64>> =
            held.returning(projects::deleted_at).get_result(conn).await.optional()?;
        deleted_at.map(|at| at.is_none()).ok_or_else(|| no_project(ProjectId(id)))
    }

    /// Moves a project to the top of the list.
    async fn touch_project(conn: Db, id: i64, now: i64) -> Result<(), StoreError> {
        diesel::update(projects::table.find(id)).set(projects::updated_at.eq(now)).execute(conn).await?;
        Ok(())
    }

    /// A frame's row, deleted or not, with its project held and live.
    async fn hold_frame(conn: Db, id: i64) -> Result<FrameRow, StoreError> {
        let project: Option<i64> =
            frames::table.find(id).select(frames::project_id).first(conn).await.optional()?;
        let project = project.ok_or_else(|| no_frame(FrameId(id)))?;
        if !conn.hold_project(project).await? {
            return Err(no_frame(FrameId(id)));
        }
        let row = frames::table.find(id).select(FrameRow::as_select()).first(conn).await.optional()?;
        row.ok_or_else(|| no_frame(FrameId(id)))
    }

    /// The same, of a live frame.
    async fn hold_live_frame(conn: Db, id: i64) -> Result<FrameRow, StoreError> {
        let row = conn.hold_frame(id).await?;
        if row.deleted_at.is_some() { Err(no_frame(FrameId(id))) } else { Ok(row) }
    }

    /// The place behind every frame of a project, the deleted ones too.
    async fn end_of_timeline(conn: Db, project_id: i64) -> Result<i32, StoreError> {
        let of_project = frames::table.filter(frames::project_id.eq(project_id));
        let last: Option<i32> = of_project.select(diesel::dsl::max(frames::position)).first(conn).await?;
        Ok(last.map_or(0, |last| last.saturating_add(1)))
    }

    /// Gives a frame the stored place right behind `after`, or the first one. All those behind, deleted ones
    /// too, move up by two: one for the gap, one for those that share the place with `after`.
    async fn put_behind(conn: Db, frame: (i64, i64), after: Option<(i32, i64)>) -> Result<(), StoreError> {
        let (id, project_id) = frame;
        let (place, last_id) = after.unwrap_or((-1, i64::MAX));
        let behind = frames::table
            .filter(frames::project_id.eq(project_id))
            .filter(frames::id.ne(id))
            .filter(frames::position.gt(place).or(frames::position.eq(place).and(frames::id.gt(last_id))));
        diesel::update(behind).set(frames::position.eq(frames::position + 2)).execute(conn).await?;
        diesel::update(frames::table.find(id)).set(frames::position.eq(place + 1)).execute(conn).await?;
        Ok(())
    }

    /// Moves a frame to a rank among the live frames of its project.
    async fn move_frame(conn: Db, frame: (i64, i64), rank: u32) -> Result<(), StoreError> {
        let (id, project_id) = frame;
        let others: Vec<(i32, i64)> = frames::table
            .filter(frames::project_id.eq(project_id))
            .filter(frames::deleted_at.is_null())
            .filter(frames::id.ne(id))
            .order((frames::position.asc(), frames::id.asc()))
            .select((frames::position, frames::id))
            .load(conn)
            .await?;
        let rank = usize::try_from(rank).unwrap_or(usize::MAX).min(others.len());
        let after = rank.checked_sub(1).and_then(|last| others.get(last)).copied();
        conn.put_behind(frame, after).await
    }

    /// See [`Store::update_frame`].
    async fn patch_frame(conn: Db, id: i64, patch: FramePatch) -> Result<Vec<Frame>, StoreError> {
        let row = conn.hold_live_frame(id).await?;
        let before = conn.frames_shown(row.project_id).await?;
        if let Some(take) = patch.take_id {
            conn.finished_take_of(id, take).await?;
            diesel::update(frames::table.find(id)).set(frames::selected_take_id.eq(take.0)).execute(conn).await?;
        }
        if let Some(duration) = patch.duration {
            let duration = stored("frames.duration", duration)?;
            diesel::update(frames::table.find(id)).set(frames::duration.eq(duration)).execute(conn).await?;
        }
        if let Some(note) = patch.note {
            diesel::update(frames::table.find(id)).set(frames::note.eq(note)).execute(conn).await?;
        }
        if let Some(rank) = patch.position {
            conn.move_frame((id, row.project_id), rank).await?;
        }
        let changed = changed_first(id, &before, conn.frames_shown(row.project_id).await?);
        if changed.is_empty() {
            return Ok(before.into_iter().filter(|frame| frame.id.0 == id).collect());
        }
        conn.touch_project(row.project_id, now_ms()).await?;
        Ok(changed)
    }

    /// See [`Store::delete_frame`].
    async fn remove_frame(conn: Db, id: i64) -> Result<DeletedFrame, StoreError> {
        let row = conn.hold_live_frame(id).await?;
        let frame = conn.frame_shown(id).await?.ok_or_else(|| no_frame(FrameId(id)))?;
        let now = now_ms();
        let deletion = (frames::deleted_at.eq(now), frames::emptied.eq(false));
        diesel::update(frames::table.find(id)).set(deletion).execute(conn).await?;
        conn.touch_project(row.project_id, now).await?;
        let open = tasks::table.filter(tasks::frame_id.eq(id)).filter(tasks::status.eq_any(OPEN));
        let open: Vec<i64> = open.order(tasks::id).select(tasks::id).load(conn).await?;
        Ok(DeletedFrame { frame, open_tasks: open.into_iter().map(TaskId).collect() })
    }

    /// See [`Store::restore_frame`].
    async fn undelete_frame(conn: Db, id: i64) -> Result<Frame, StoreError> {
        let row = conn.hold_frame(id).await?;
        if row.deleted_at.is_some() {
            conn.revive_frame(id).await?;
            conn.touch_project(row.project_id, now_ms()).await?;
        }
        // The transaction is taken back when there is nothing to show.
        conn.frame_shown(id).await?.ok_or_else(|| no_frame(FrameId(id)))
    }

    /// Makes a deleted frame live. The frame may be purged while this waits for its row.
    async fn revive_frame(conn: Db, id: i64) -> Result<(), StoreError> {
        let revival = (frames::deleted_at.eq(None::<i64>), frames::emptied.eq(false));
        match diesel::update(frames::table.find(id)).set(revival).execute(conn).await? {
            0 => Err(no_frame(FrameId(id))),
            _ => Ok(()),
        }
    }

    /// See [`Store::duplicate_frame`].
    async fn copy_frame(conn: Db, id: i64, take: TakeId, key: String) -> Result<Vec<Frame>, StoreError> {
        let row = conn.hold_live_frame(id).await?;
        let source: TakeRow = conn.finished_take_of(id, take).await?;
        let before = conn.frames_shown(row.project_id).await?;
        let now = now_ms();
        let copied = (
            frames::project_id.eq(row.project_id),
            frames::position.eq(row.position),
            frames::duration.eq(row.duration),
            frames::note.eq(row.note),
            frames::created_at.eq(now),
        );
        let copy: i64 =
            diesel::insert_into(frames::table).values(copied).returning(frames::id).get_result(conn).await?;
        conn.put_behind((copy, row.project_id), Some((row.position, id))).await?;
        let task: TaskRow = tasks::table.find(source.task_id).select(TaskRow::as_select()).first(conn).await?;
        let finished = Finished {
            attempt: task.attempt,
            started_at: task.started_at,
            take: TakeColumns {
                key,
                parameters: task.parameters,
                seed: task.seed,
                width: source.width,
                height: source.height,
            },
            etag: source.etag,
            step: source.finished_step,
        };
        conn.insert_finished((copy, row.project_id), finished, now).await?;
        Ok(changed_first(copy, &before, conn.frames_shown(row.project_id).await?))
    }

    /// A completed task with its take, which its frame, `(id, project_id)`, selects; the project moves to the
    /// top of the list.
    async fn insert_finished(conn: Db, frame: (i64, i64), finished: Finished, now: i64) -> Result<(), StoreError> {
        let (frame_id, project_id) = frame;
        let Finished { attempt, started_at, take, etag, step } = finished;
        let made = (
            tasks::project_id.eq(project_id),
            tasks::frame_id.eq(frame_id),
            tasks::status.eq(TaskStatus::Completed.as_str()),
            tasks::attempt.eq(attempt),
            tasks::parameters.eq(take.parameters),
            tasks::seed.eq(take.seed),
            tasks::queue_order.eq(conn.end_of_queue().await?),
            tasks::created_at.eq(now),
            tasks::started_at.eq(started_at),
            tasks::finished_at.eq(now),
        );
        let task_id: i64 =
            diesel::insert_into(tasks::table).values(made).returning(tasks::id).get_result(conn).await?;
        let new = InsertTake {
            project_id,
            frame_id,
            task_id,
            key: take.key,
            width: take.width,
            height: take.height,
            created_at: now,
        };
        let end = (takes::etag.eq(etag), takes::finished_step.eq(step), takes::finished_at.eq(now));
        let take_id: i64 = diesel::insert_into(takes::table).values(new).returning(takes::id).get_result(conn).await?;
        diesel::update(takes::table.find(take_id)).set(end).execute(conn).await?;
        diesel::update(frames::table.find(frame_id)).set(frames::selected_take_id.eq(take_id)).execute(conn).await?;
        conn.touch_project(project_id, now).await
    }

    /// See [`Store::import_frame`].
    async fn add_finished_frame(
        conn: Db,
        project: ProjectId,
        position: Option<u32>,
        take: TakeColumns,
        end: (String, i32),
    ) -> Result<Vec<Frame>, StoreError> {
        if !conn.hold_project(project.0).await? {
            return Err(no_project(project));
        }
        let before = conn.frames_shown(project.0).await?;
        let now = now_ms();
        let id = conn.frame_for_tasks(project, None, now).await?;
        if let Some(rank) = position {
            conn.move_frame((id, project.0), rank).await?;
        }
        let (etag, step) = end;
        // Nobody started it; it counts as one attempt all the same, like every other task that is completed.
        let finished = Finished { attempt: 1, started_at: Some(now), take, etag: Some(etag), step: Some(step) };
        conn.insert_finished((id, project.0), finished, now).await?;
        Ok(changed_first(id, &before, conn.frames_shown(project.0).await?))
    }
}

/// The frames that are not as they were, that of `id` first.
fn changed_first(id: i64, before: &[Frame], after: Vec<Frame>) -> Vec<Frame> {
    let was: std::collections::HashMap<_, _> = before.iter().map(|frame| (frame.id, frame)).collect();
    let mut changed: Vec<Frame> = after.into_iter().filter(|frame| was.get(&frame.id) != Some(&frame)).collect();
    changed.sort_by_key(|frame| frame.id.0 != id);
    changed
}

impl Store {
    /// The frames of a project in their order, each with what it shows.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the project is not there, or is deleted.
    pub async fn frames(&self, project: ProjectId) -> Result<Vec<Frame>, StoreError> {
        read!(self, |conn| {
            let live = projects::table.find(project.0).filter(projects::deleted_at.is_null());
            let found: Option<i64> = live.select(projects::id).first(conn).await.optional()?;
            found.ok_or_else(|| no_project(project))?;
            conn.frames_shown(project.0).await
        })
    }

    /// One frame.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there, or it or its project is deleted.
    pub async fn frame(&self, id: FrameId) -> Result<Frame, StoreError> {
        read!(self, |conn| { conn.frame_shown(id.0).await?.ok_or_else(|| no_frame(id)) })
    }

    /// Changes what `patch` names; answers the frame, and after it every other whose reported state is another
    /// than before (its position). `patch` has been validated.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when `take_id` is no finished take of this frame; [`StoreError::NotFound`].
    pub async fn update_frame(&self, id: FrameId, patch: FramePatch) -> Result<Vec<Frame>, StoreError> {
        write!(self, |conn| { conn.patch_frame(id.0, patch).await })
    }

    /// Deletes a frame; until it is purged it can be restored.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there, or is deleted already.
    pub async fn delete_frame(&self, id: FrameId) -> Result<DeletedFrame, StoreError> {
        write!(self, |conn| { conn.remove_frame(id.0).await })
    }

    /// Takes a deletion back: the frame stands where it stood among those around it. One that is not deleted
    /// stays as it is.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not there, is purged, or has nothing to show any more.
    pub async fn restore_frame(&self, id: FrameId) -> Result<Frame, StoreError> {
        write!(self, |conn| { conn.undelete_frame(id.0).await })
    }

    /// Makes a frame right behind this one, with a copy of this one's finished take `take` as its own: same
    /// parameters, seed and bytes. The caller has copied the file to `key`. Answers the new frame, then those
    /// that moved.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when `take` is no finished take of this frame; [`StoreError::NotFound`].
    pub async fn duplicate_frame(&self, id: FrameId, take: TakeId, key: String) -> Result<Vec<Frame>, StoreError> {
        write!(self, |conn| { conn.copy_frame(id.0, take, key).await })
    }

    /// Makes a frame that shows this picture, with a completed task of its own: at this rank among the frames, those
    /// behind it move up; without one, or past the end, at the end. Answers the new frame, then those that moved.
    /// What `take` holds has been validated.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the project is not there, or is deleted.
    pub async fn import_frame(
        &self,
        project: ProjectId,
        position: Option<u32>,
        take: FinishedTake,
    ) -> Result<Vec<Frame>, StoreError> {
        let FinishedTake { take, etag, step } = take;
        let (columns, step) = (columns_from_take(take)?, stored("takes.finished_step", step)?);
        write!(self, |conn| { conn.add_finished_frame(project, position, columns, (etag, step)).await })
    }

    /// Removes for good, with their tasks and takes, the frames deleted at least `age` ago that have no open
    /// task, and forgets the idempotency keys of more than a day ago. Answers the keys of the takes: the caller
    /// removes the pictures.
    pub async fn purge_frames(&self, age: Duration) -> Result<Vec<String>, StoreError> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let now = now_ms();
        let newest = now.saturating_sub(age_ms);
        write!(self, |conn| {
            let keys = idempotency_keys::table.filter(idempotency_keys::created_at.lt(now - KEYS_KEPT_MS));
            diesel::delete(keys).execute(conn).await?;
            // The update locks the rows on PostgreSQL, as in `purge_projects`.
            let open = tasks::table.filter(tasks::status.eq_any(OPEN)).select(tasks::frame_id);
            let old = frames::table.filter(frames::deleted_at.le(newest)).filter(frames::id.ne_all(open));
            let lock = diesel::update(old).set(frames::deleted_at.eq(frames::deleted_at)).returning(frames::id);
            let ids: Vec<i64> = lock.get_results(conn).await?;
            let mut gone = Vec::new();
            // In parts: SQLite takes 32,766 values in a query.
            for ids in ids.chunks(1000) {
                let old_takes = takes::table.filter(takes::frame_id.eq_any(ids));
                gone.extend(diesel::delete(old_takes).returning(takes::key).get_results::<String>(conn).await?);
                diesel::delete(frames::table.filter(frames::id.eq_any(ids))).execute(conn).await?;
            }
            Ok(gone)
        })
    }
}

pub(crate) fn no_frame(id: FrameId) -> StoreError {
    StoreError::NotFound { what: format!("frame {id}") }
}
