//! How a task ends, and how it is retried.
//!
//! Every update names the statuses that it starts from, so that of two concurrent changes (a worker completes, a user
//! cancels) the first one wins and the other gets `Conflict`.

use crate::changes::{Change, Outcome, frame_after, ids_of};
use crate::clock::now_ms;
use crate::creation::{Created, CreationQueries};
use crate::frames::FrameQueries;
use crate::inserts::InsertTake;
use crate::locks::LockQueries;
use crate::not_found::no_task;
use crate::objects::FinalPicture;
use crate::order::OrderQueries;
use crate::rows::{FrameRow, to_column};
use crate::runs::{Holder, RunRows};
use crate::schema::{frames, takes, tasks};
use crate::shows::ShowQueries;
use crate::tasks::{TaskQueries, parameters_from_text};
use crate::transaction::{change, on_connections};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{
    Event, Frame, GENERATOR, GenerationCancelled, GenerationCompleted, GenerationFailed, TakeId, Task, TaskId,
    TaskStatus, media_path,
};
use std::{ops::RangeInclusive, sync::Arc};

/// How a task ends without a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A user cancelled it.
    Cancelled,
    /// It failed, for this reason.
    Failed(String),
}

/// A task that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The task in its new state.
    pub task: Task,
    /// Its frame in its new state. None when the frame is deleted, also when it was removed with the task.
    pub frame: Option<Frame>,
    /// The frame before it was removed, when it was removed because nothing was left to show.
    pub frame_removed: Option<Frame>,
    /// Its take, which is deleted unless the task completed.
    pub take_id: TakeId,
    /// Its take's key. Unless the task completed, the file `<key>.png` has no row any more.
    pub key: String,
}

/// A task that ended with a picture.
pub(crate) struct Completed {
    ended: Ended,
    etag: String,
    total_steps: u32,
}

impl Outcome for Completed {
    fn changes(&self) -> Vec<Change> {
        let Ended { task, frame, take_id, key, .. } = &self.ended;
        let completed = Event::GenerationCompleted(GenerationCompleted {
            of: ids_of(task, *take_id),
            final_path: media_path(key),
            step: task.step,
            total_steps: self.total_steps,
            generator: GENERATOR.to_owned(),
            etag: self.etag.clone(),
            frame: frame.clone(),
        });
        let frame = frame_after(frame.as_ref(), None);
        [completed.into()].into_iter().chain(frame).chain([Change::Queue]).collect()
    }
}

impl Outcome for Ended {
    fn changes(&self) -> Vec<Change> {
        let (of, frame) = (ids_of(&self.task, self.take_id), self.frame.clone());
        let frame_removed = self.frame_removed.is_some();
        let event = match self.task.error.clone() {
            Some(error) => Event::GenerationFailed(GenerationFailed { of, error, frame_removed, frame }),
            None => Event::GenerationCancelled(GenerationCancelled { of, frame_removed, frame }),
        };
        let ended = Change::Event { event, deleted_take: Some(self.key.clone()) };
        let frame = frame_after(self.frame.as_ref(), self.frame_removed.as_ref());
        [ended].into_iter().chain(frame).chain([Change::Queue]).collect()
    }
}

on_connections! {
    trait LifecycleQueries;

    /// See [`Store::complete_task`].
    async fn complete(
        conn: Db,
        id: TaskId,
        attempt: i32,
        picture: FinalPicture,
        step: i32,
        holder: Holder,
    ) -> Result<Ended, StoreError> {
        let (frame_id, project_id) = conn.lock_task(id).await?;
        conn.assert_held(id, attempt, holder).await?;
        let now = now_ms();
        let running = tasks::table
            .find(id.0)
            .filter(tasks::status.eq(TaskStatus::Running.as_str()))
            .filter(tasks::attempt.eq(attempt));
        let end = (tasks::status.eq(TaskStatus::Completed.as_str()), tasks::finished_at.eq(now));
        if diesel::update(running).set(end).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, format!("running as attempt {attempt}")).await?);
        }
        let take = takes::table.filter(takes::task_id.eq(id.0));
        let FinalPicture { etag, object } = picture;
        let finish = (
            takes::etag.eq(etag),
            takes::object.eq(object),
            takes::finished_step.eq(step),
            takes::finished_at.eq(now),
        );
        let finished: (i64, String) =
            diesel::update(take).set(finish).returning((takes::id, takes::key)).get_result(conn).await?;
        let (take_id, key) = finished;
        diesel::update(frames::table.find(frame_id)).set(frames::selected_take_id.eq(take_id)).execute(conn).await?;
        conn.touch_project(project_id, now).await?;
        let (task, frame) = (conn.task_shown(id.0).await?, conn.frame_shown(frame_id).await?);
        Ok(Ended { task, frame, frame_removed: None, take_id: TakeId(take_id), key })
    }

    /// `Conflict` if a task runs as this attempt, but in another process. Each other status is left to the update that follows.
    async fn assert_held(conn: Db, id: TaskId, attempt: i32, holder: Holder) -> Result<(), StoreError> {
        if conn.holds_run(id.0, attempt, holder).await? {
            return Ok(());
        }
        let task = tasks::table.find(id.0).filter(tasks::status.eq(TaskStatus::Running.as_str()));
        let runs: i64 = task.filter(tasks::attempt.eq(attempt)).count().get_result(conn).await?;
        match runs {
            0 => Ok(()),
            _ => Err(StoreError::Conflict { why: format!("task {id} runs on another server (attempt {attempt})") }),
        }
    }

    /// See [`Store::fail_attempt`].
    async fn fail(conn: Db, id: TaskId, attempt: i32, why: String, holder: Holder) -> Result<Ended, StoreError> {
        conn.lock_task(id).await?;
        conn.assert_held(id, attempt, holder).await?;
        conn.end(id, vec![TaskStatus::Running], attempt..=attempt, End::Failed(why)).await
    }

    /// See [`Store::end_task`].
    async fn end(
        conn: Db,
        id: TaskId,
        from: Vec<TaskStatus>,
        attempts: RangeInclusive<i32>,
        end: End,
    ) -> Result<Ended, StoreError> {
        let (frame_id, project_id) = conn.lock_task(id).await?;
        let before = conn.frame_shown(frame_id).await?;
        let now = now_ms();
        let (status, error) = match end {
            End::Cancelled => (TaskStatus::Cancelled, None),
            // PostgreSQL stores no NUL in a text.
            End::Failed(why) => (TaskStatus::Failed, Some(why.replace('\0', "\u{fffd}"))),
        };
        let names: Vec<&str> = from.iter().filter(|status| status.is_open()).map(|status| status.as_str()).collect();
        // A paused task is `queued` in the table.
        let paused = from.contains(&TaskStatus::Paused).then_some(TaskStatus::Queued.as_str());
        let is_paused = tasks::paused.eq(true).and(tasks::status.eq_any(paused.into_iter().collect::<Vec<_>>()));
        let open = tasks::table
            .find(id.0)
            .filter(tasks::paused.eq(false).and(tasks::status.eq_any(names.clone())).or(is_paused))
            .filter(tasks::attempt.between(*attempts.start(), *attempts.end()));
        let change = (
            tasks::status.eq(status.as_str()),
            tasks::error.eq(error),
            tasks::finished_at.eq(now),
            tasks::paused.eq(false),
        );
        if diesel::update(open).set(change).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, names.join(" or ")).await?);
        }
        let take = takes::table.filter(takes::task_id.eq(id.0));
        let gone: (i64, String) = diesel::delete(take).returning((takes::id, takes::key)).get_result(conn).await?;
        let (take_id, key) = gone;
        let is_removed = conn.delete_if_empty(frame_id, now).await?;
        if is_removed {
            conn.touch_project(project_id, now).await?;
        }
        let (task, frame) = (conn.task_shown(id.0).await?, conn.frame_shown(frame_id).await?);
        let frame_removed = before.filter(|_| is_removed);
        Ok(Ended { task, frame, frame_removed, take_id: TakeId(take_id), key })
    }

    /// See [`Store::retry_task`].
    async fn retry(conn: Db, id: TaskId, key: String) -> Result<Created, StoreError> {
        let (frame_id, project_id) = conn.lock_task(id).await?;
        if !conn.lock_project(project_id).await? {
            return Err(no_task(id));
        }
        let (task, _) = conn.task_with_take(id.0).await?;
        let frame: FrameRow = frames::table.find(frame_id).select(FrameRow::as_select()).first(conn).await?;
        if frame.deleted_at.is_some() && !frame.emptied {
            let why = format!("frame {frame_id} of task {id} is deleted; restore it first");
            return Err(StoreError::Conflict { why });
        }
        conn.assert_room(1).await?;
        if frame.deleted_at.is_some() {
            // First change of the transaction: a purge that has locked the frame's row must not wait for a row that
            // we have locked (deadlock).
            conn.clear_deletion(frame_id).await?;
        }
        let ended = [TaskStatus::Failed.as_str(), TaskStatus::Cancelled.as_str()];
        let again = (
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::error.eq(None::<String>),
            tasks::started_at.eq(None::<i64>),
            tasks::finished_at.eq(None::<i64>),
            tasks::queue_order.eq(conn.end_of_queue().await?),
            tasks::unclean_ends.eq(0),
            tasks::done_steps.eq(0),
            tasks::keeps.eq(false),
        );
        let ended = tasks::table.find(id.0).filter(tasks::status.eq_any(ended));
        if diesel::update(ended).set(again).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, "failed or cancelled".to_owned()).await?);
        }
        let parameters = parameters_from_text(&task.parameters)?;
        let now = now_ms();
        let take = InsertTake {
            project_id,
            frame_id,
            task_id: id.0,
            key,
            width: to_column("takes.width", parameters.width)?,
            height: to_column("takes.height", parameters.height)?,
            created_at: now,
        };
        diesel::insert_into(takes::table).values(take).execute(conn).await?;
        conn.touch_project(project_id, now).await?;
        let task = conn.task_shown(id.0).await?;
        conn.created(frame_id, frame.deleted_at.is_some(), vec![task]).await
    }

}

impl Store {
    /// Completes a running task whose picture is stored: marks its take as finished, selects it in its frame, and
    /// moves the project to the top of the list. `step` is the last sampling step that ran.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it is running as this attempt, in this process; [`StoreError::NotFound`].
    pub async fn complete_task(
        &self,
        id: TaskId,
        attempt: u32,
        picture: FinalPicture,
        step: u32,
    ) -> Result<Ended, StoreError> {
        let (attempt, step) = (to_column("tasks.attempt", attempt)?, to_column("takes.finished_step", step)?);
        let (inner, holder, etag) = (Arc::clone(&self.inner), self.inner.own.holder(), picture.etag.clone());
        let completed = change!(self, |conn| {
            let ended = conn.complete(id, attempt, picture, step, holder).await?;
            let total_steps = inner.total_steps(&ended.task.parameters);
            Ok(Completed { ended, etag, total_steps })
        })?;
        Ok(completed.ended)
    }

    /// Ends a task without a picture if its status is one of `from`. Deletes its take, and its frame if nothing else is
    /// left to show.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its status is not in `from`; [`StoreError::NotFound`].
    pub async fn end_task(&self, id: TaskId, from: &[TaskStatus], end: End) -> Result<Ended, StoreError> {
        let from = from.to_vec();
        change!(self, |conn| { conn.end(id, from, 0..=i32::MAX, end).await })
    }

    /// Marks a running task as failed, as [`Store::end_task`] does, unless a later attempt (after a cancellation and a
    /// retry) is running.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it is running as this attempt, in this process; [`StoreError::NotFound`].
    pub async fn fail_attempt(&self, id: TaskId, attempt: u32, why: String) -> Result<Ended, StoreError> {
        let (attempt, holder) = (to_column("tasks.attempt", attempt)?, self.inner.own.holder());
        change!(self, |conn| { conn.fail(id, attempt, why, holder).await })
    }

    /// Queues a failed or cancelled task again, at the end of the queue, with a new take whose first preview
    /// is in `<key>.png`. Restores a frame that was removed with the task.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its status is another, or a user deleted its frame;
    /// [`StoreError::QueueFull`]; [`StoreError::NotFound`].
    pub async fn retry_task(&self, id: TaskId, key: String) -> Result<Created, StoreError> {
        change!(self, |conn| { conn.retry(id, key).await })
    }
}
