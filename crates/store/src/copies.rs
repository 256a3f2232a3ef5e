//! Frames that start with a finished picture: copies of a frame, and imports.

use crate::changes::{Change, Outcome, frame_created, frame_updated};
use crate::clock::now_ms;
use crate::creation::CreationQueries;
use crate::inserts::{InsertTake, NewTake, TakeColumns, columns_from_take};
use crate::locks::LockQueries;
use crate::not_found::no_project;
use crate::objects::FinalPicture;
use crate::order::OrderQueries;
use crate::rows::{TakeRow, TaskRow, to_column};
use crate::schema::{frames, takes, tasks};
use crate::shows::{ShowQueries, changed_frames};
use crate::takes::TakeQueries;
use crate::tasks::TaskQueries;
use crate::transaction::{change, on_connections};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, FrameId, ProjectId, TakeId, TaskStatus};

/// A take whose picture is final when its rows are inserted.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedTake {
    /// The take.
    pub take: NewTake,
    /// Its picture, which is stored already.
    pub picture: FinalPicture,
    /// The sampling step at which the picture was finished.
    pub step: u32,
}

/// The columns of a completed task and of its take.
pub(crate) struct Finished {
    attempt: i32,
    started_at: Option<i64>,
    take: TakeColumns,
    etag: Option<String>,
    object: Option<String>,
    step: Option<i32>,
}

/// A new frame first, then the frames that moved for it.
pub(crate) struct InsertedFrames(Vec<Frame>);

impl Outcome for InsertedFrames {
    fn changes(&self) -> Vec<Change> {
        let (new, moved) = self.0.split_at(self.0.len().min(1));
        new.iter().map(frame_created).chain(moved.iter().map(frame_updated)).collect()
    }
}

on_connections! {
    trait CopyQueries;

    /// See [`Store::duplicate_frame`].
    async fn copy_frame(conn: Db, id: i64, take: TakeId, key: String) -> Result<InsertedFrames, StoreError> {
        let row = conn.lock_live_frame(id).await?;
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
        conn.place_after((copy, row.project_id), Some((row.position, id))).await?;
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
            object: source.object,
            step: source.finished_step,
        };
        conn.insert_finished((copy, row.project_id), finished, now).await?;
        Ok(InsertedFrames(changed_frames(copy, &before, conn.frames_shown(row.project_id).await?)))
    }

    /// See [`Store::import_frame`].
    async fn insert_finished_frame(
        conn: Db,
        project: ProjectId,
        position: Option<u32>,
        take: TakeColumns,
        end: (FinalPicture, i32),
    ) -> Result<InsertedFrames, StoreError> {
        if !conn.lock_project(project.0).await? {
            return Err(no_project(project));
        }
        let before = conn.frames_shown(project.0).await?;
        let now = now_ms();
        let id = conn.frame_for_tasks(project, None, now).await?;
        if let Some(index) = position {
            conn.move_frame((id, project.0), index).await?;
        }
        let (FinalPicture { etag, object }, step) = end;
        // No worker ran it, but every completed task has at least one attempt.
        let (etag, step) = (Some(etag), Some(step));
        let finished = Finished { attempt: 1, started_at: Some(now), take, etag, object, step };
        conn.insert_finished((id, project.0), finished, now).await?;
        Ok(InsertedFrames(changed_frames(id, &before, conn.frames_shown(project.0).await?)))
    }

    /// Inserts a completed task with its take and selects the take in the frame `(frame_id, project_id)`. Moves the
    /// project to the top of the list.
    async fn insert_finished(conn: Db, frame: (i64, i64), finished: Finished, now: i64) -> Result<(), StoreError> {
        let (frame_id, project_id) = frame;
        let Finished { attempt, started_at, take, etag, object, step } = finished;
        let task = (
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
            diesel::insert_into(tasks::table).values(task).returning(tasks::id).get_result(conn).await?;
        let new = InsertTake {
            project_id,
            frame_id,
            task_id,
            key: take.key,
            width: take.width,
            height: take.height,
            created_at: now,
        };
        let end = (
            takes::etag.eq(etag),
            takes::object.eq(object),
            takes::finished_step.eq(step),
            takes::finished_at.eq(now),
        );
        let take_id: i64 = diesel::insert_into(takes::table).values(new).returning(takes::id).get_result(conn).await?;
        diesel::update(takes::table.find(take_id)).set(end).execute(conn).await?;
        diesel::update(frames::table.find(frame_id)).set(frames::selected_take_id.eq(take_id)).execute(conn).await?;
        conn.touch_project(project_id, now).await
    }
}

impl Store {
    /// Copies a frame with its finished take `take` (same parameters, seed and bytes) directly after it. If the picture is a
    /// file, the caller has copied it to `key`; an object has both names then. Returns the new frame first, then the frames that moved.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when `take` is not a finished take of this frame; [`StoreError::NotFound`].
    pub async fn duplicate_frame(&self, id: FrameId, take: TakeId, key: String) -> Result<Vec<Frame>, StoreError> {
        Ok(change!(self, |conn| { conn.copy_frame(id.0, take, key).await })?.0)
    }

    /// Creates a frame that shows this picture, with a completed task. `position` is its index among the live frames;
    /// without one, or past the end, it goes to the end. Returns the new frame first, then the frames that moved. The
    /// values in `take` must be validated.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the project does not exist or is deleted.
    pub async fn import_frame(
        &self,
        project: ProjectId,
        position: Option<u32>,
        take: FinishedTake,
    ) -> Result<Vec<Frame>, StoreError> {
        let FinishedTake { take, picture, step } = take;
        let (columns, step) = (columns_from_take(take)?, to_column("takes.finished_step", step)?);
        Ok(change!(self, |conn| { conn.insert_finished_frame(project, position, columns, (picture, step)).await })?.0)
    }
}
