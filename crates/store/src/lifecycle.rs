//! A task's life: claimed, completed, ended, tried again.
//!
//! Every change names the statuses that it changes, so that of two that meet (a worker that finishes, a person
//! who cancels) one wins and the other is told.

use crate::clock::now_ms;
use crate::creation::{Created, CreationQueries, InsertTake};
use crate::frames::FrameQueries;
use crate::rows::{FrameRow, shown, stored};
use crate::schema::{frames, projects, takes, tasks};
use crate::shows::ShowQueries;
use crate::store::{on_connections, write};
use crate::tasks::{FullRow, TaskQueries, is_waiting, no_task, parameters_from_text, task_from_row};
use crate::unreadable::{readable, report};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Frame, TakeId, Task, TaskId, TaskStatus};
use std::ops::RangeInclusive;

/// A task that waits or runs, and the key that its picture's file is named after.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenTask {
    /// The task.
    pub task: Task,
    /// The take that it makes.
    pub take_id: TakeId,
    /// Its picture is `<key>.png`.
    pub key: String,
    /// How often the server ended without being stopped while this task ran, since a person asked for it.
    pub unclean_ends: u32,
}

/// What a worker is given that works beside others.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// It runs now, as a new attempt.
    Task(Box<OpenTask>),
    /// No task waits.
    Nothing,
    /// The first that waits was running when the server ended without being stopped. It is to be made alone, so that no
    /// other task is blamed for another such end; it still waits.
    Alone,
}

/// How a task ends without a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A person stopped it.
    Cancelled,
    /// It failed, for this reason.
    Failed(String),
}

/// A task that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The task as it is now.
    pub task: Task,
    /// Its frame as it is now; none where it was removed with the task, or is deleted.
    pub frame: Option<Frame>,
    /// What its frame was, where it was removed because nothing was left to show.
    pub frame_removed: Option<Frame>,
    /// Its take. Unless the task is completed, it is gone.
    pub take_id: TakeId,
    /// The key of its take. Unless the task is completed the take is gone, and the caller removes
    /// `<key>.png`.
    pub key: String,
}

on_connections! {
    trait LifecycleQueries;

    /// A task's frame and project, the project held.
    async fn hold_task(conn: Db, id: TaskId) -> Result<(i64, i64), StoreError> {
        let of_task = tasks::table.find(id.0).select((tasks::frame_id, tasks::project_id));
        let found: Option<(i64, i64)> = of_task.first(conn).await.optional()?;
        let (frame_id, project_id) = found.ok_or_else(|| no_task(id))?;
        conn.hold_project(project_id).await?;
        Ok((frame_id, project_id))
    }

    /// The error for a task that is not in a status in which something can be done.
    async fn wrong_status(conn: Db, id: TaskId, needed: String) -> Result<StoreError, StoreError> {
        let of_task = tasks::table.find(id.0).select((tasks::status, tasks::attempt));
        let found: Option<(String, i32)> = of_task.first(conn).await.optional()?;
        Ok(match found {
            Some((status, attempt)) => {
                let attempt = if status == TaskStatus::Running.as_str() {
                    format!(" (attempt {attempt})")
                } else {
                    String::new()
                };
                StoreError::Conflict { why: format!("task {id} is {status}{attempt}, not {needed}") }
            }
            None => no_task(id),
        })
    }

    /// See [`Store::claim_task`].
    async fn claim(conn: Db, is_alone: bool) -> Result<Claim, StoreError> {
        // Waiting tasks whose rows cannot be decoded: passed over, so that those behind them run.
        let mut unreadable: Vec<i64> = Vec::new();
        loop {
            let first: Option<(i64, i32)> = tasks::table
                .inner_join(frames::table.on(frames::id.eq(tasks::frame_id)))
                .inner_join(projects::table.on(projects::id.eq(tasks::project_id)))
                .filter(is_waiting!())
                .filter(tasks::id.ne_all(unreadable.clone()))
                .order((tasks::queue_order.asc(), tasks::id.asc()))
                .select((tasks::id, tasks::unclean_ends))
                .first(conn)
                .await
                .optional()?;
            let Some((id, unclean_ends)) = first else { return Ok(Claim::Nothing) };
            // Before it is started: one that was started and cannot be read would be `running` and never run.
            if let Err(error @ StoreError::Undecodable { .. }) = conn.task_with_take(id).await {
                report("tasks", id, &error);
                unreadable.push(id);
                continue;
            }
            if unclean_ends > 0 && !is_alone {
                return Ok(Claim::Alone);
            }
            let waiting = tasks::table.find(id).filter(tasks::status.eq(TaskStatus::Queued.as_str()));
            let start = (
                tasks::status.eq(TaskStatus::Running.as_str()),
                tasks::attempt.eq(tasks::attempt + 1),
                tasks::started_at.eq(now_ms()),
                tasks::error.eq(None::<String>),
            );
            // None where another worker was quicker: then that one has it, and we look for the next.
            if diesel::update(waiting).set(start).execute(conn).await? == 1 {
                match open_task_from_row(conn.task_with_take(id).await?) {
                    Err(StoreError::Corrupt { column, value }) => conn.give_up(id, column, value).await?,
                    opened => return Ok(Claim::Task(Box::new(opened?))),
                }
            }
        }
    }

    /// Fails a task whose row makes no sense: no worker could run it, and it would be called running for ever. Its
    /// picture's file is left for the next start, which finds it without a row.
    async fn give_up(conn: Db, id: i64, column: &'static str, value: String) -> Result<(), StoreError> {
        tracing::error!(task.id = id, column, value, "a task in the queue cannot be read; it is marked failed");
        let now = now_ms();
        let why = format!("the database holds a value that makes no sense: {column}");
        let end = (
            tasks::status.eq(TaskStatus::Failed.as_str()),
            tasks::error.eq(why),
            tasks::finished_at.eq(now),
        );
        let frame: i64 = diesel::update(tasks::table.find(id)).set(end).returning(tasks::frame_id).get_result(conn).await?;
        diesel::delete(takes::table.filter(takes::task_id.eq(id))).execute(conn).await?;
        conn.delete_if_empty(frame, now).await?;
        Ok(())
    }

    /// See [`Store::complete_task`].
    async fn complete(conn: Db, id: TaskId, attempt: i32, etag: String, step: i32) -> Result<Ended, StoreError> {
        let (frame_id, project_id) = conn.hold_task(id).await?;
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
        let finish = (takes::etag.eq(etag), takes::finished_step.eq(step), takes::finished_at.eq(now));
        let finished: (i64, String) =
            diesel::update(take).set(finish).returning((takes::id, takes::key)).get_result(conn).await?;
        let (take_id, key) = finished;
        diesel::update(frames::table.find(frame_id)).set(frames::selected_take_id.eq(take_id)).execute(conn).await?;
        conn.touch_project(project_id, now).await?;
        let (task, frame) = (conn.task_shown(id.0).await?, conn.frame_shown(frame_id).await?);
        Ok(Ended { task, frame, frame_removed: None, take_id: TakeId(take_id), key })
    }

    /// See [`Store::end_task`] and [`Store::fail_attempt`].
    async fn end(
        conn: Db,
        id: TaskId,
        from: Vec<TaskStatus>,
        attempts: RangeInclusive<i32>,
        end: End,
    ) -> Result<Ended, StoreError> {
        let (frame_id, project_id) = conn.hold_task(id).await?;
        let before = conn.frame_shown(frame_id).await?;
        let now = now_ms();
        let (status, error) = match end {
            End::Cancelled => (TaskStatus::Cancelled, None),
            // PostgreSQL stores no NUL in a text.
            End::Failed(why) => (TaskStatus::Failed, Some(why.replace('\0', "\u{fffd}"))),
        };
        let names: Vec<&str> = from.iter().filter(|status| status.is_open()).map(|status| status.as_str()).collect();
        let open = tasks::table
            .find(id.0)
            .filter(tasks::status.eq_any(names.clone()))
            .filter(tasks::attempt.between(*attempts.start(), *attempts.end()));
        let change = (tasks::status.eq(status.as_str()), tasks::error.eq(error), tasks::finished_at.eq(now));
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
        let (frame_id, project_id) = conn.hold_task(id).await?;
        if !conn.hold_project(project_id).await? {
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
            // Before anything else is changed: a purge that has the frame's row already must not have to wait
            // for a row of ours.
            conn.revive_frame(frame_id).await?;
        }
        let ended = [TaskStatus::Failed.as_str(), TaskStatus::Cancelled.as_str()];
        let again = (
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::error.eq(None::<String>),
            tasks::started_at.eq(None::<i64>),
            tasks::finished_at.eq(None::<i64>),
            tasks::queue_order.eq(conn.end_of_queue().await?),
            tasks::unclean_ends.eq(0),
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
            width: stored("takes.width", parameters.width)?,
            height: stored("takes.height", parameters.height)?,
            created_at: now,
        };
        diesel::insert_into(takes::table).values(take).execute(conn).await?;
        conn.touch_project(project_id, now).await?;
        let task = conn.task_shown(id.0).await?;
        conn.created(frame_id, frame.deleted_at.is_some(), vec![task]).await
    }

    /// See [`Store::requeue_task`].
    async fn requeue(conn: Db, id: TaskId, unclean_ends: i32) -> Result<OpenTask, StoreError> {
        conn.hold_task(id).await?;
        let running = tasks::table.find(id.0).filter(tasks::status.eq(TaskStatus::Running.as_str()));
        let waiting = (
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::unclean_ends.eq(tasks::unclean_ends + unclean_ends),
        );
        if diesel::update(running).set(waiting).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, TaskStatus::Running.as_str().to_owned()).await?);
        }
        open_task_from_row(conn.task_with_take(id.0).await?)
    }
}

impl Store {
    /// Gives the first waiting task to a worker: it is running now, as a new attempt. None when none waits.
    /// Tasks of deleted frames and projects, and those that cannot be read, are passed over. Safe with any number of
    /// workers and processes.
    pub async fn claim_task(&self) -> Result<Option<OpenTask>, StoreError> {
        match write!(self, |conn| { conn.claim(true).await })? {
            Claim::Task(open) => Ok(Some(*open)),
            Claim::Nothing | Claim::Alone => Ok(None),
        }
    }

    /// As [`Store::claim_task`], for a worker beside which others may run.
    pub async fn claim_beside_others(&self) -> Result<Claim, StoreError> {
        write!(self, |conn| { conn.claim(false).await })
    }

    /// Ends a running task with its picture, whose bytes are in its file: the take is finished, and its frame
    /// selects it; the project moves to the top of the list. `step` is the sampling step that it stopped at.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it runs as this attempt; [`StoreError::NotFound`].
    pub async fn complete_task(&self, id: TaskId, attempt: u32, etag: String, step: u32) -> Result<Ended, StoreError> {
        let (attempt, step) = (stored("tasks.attempt", attempt)?, stored("takes.finished_step", step)?);
        write!(self, |conn| { conn.complete(id, attempt, etag, step).await })
    }

    /// Ends a task that has one of the open statuses in `from`, without a picture: its take is gone, and with
    /// it its frame where that has nothing else to show.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its status is another; [`StoreError::NotFound`].
    pub async fn end_task(&self, id: TaskId, from: &[TaskStatus], end: End) -> Result<Ended, StoreError> {
        let from = from.to_vec();
        write!(self, |conn| { conn.end(id, from, 0..=i32::MAX, end).await })
    }

    /// Ends a running task whose attempt failed, as [`Store::end_task`] does. A later attempt, after a cancellation and
    /// another try, is not touched.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it runs as this attempt; [`StoreError::NotFound`].
    pub async fn fail_attempt(&self, id: TaskId, attempt: u32, why: String) -> Result<Ended, StoreError> {
        let (attempt, end) = (stored("tasks.attempt", attempt)?, End::Failed(why));
        write!(self, |conn| { conn.end(id, vec![TaskStatus::Running], attempt..=attempt, end).await })
    }

    /// Queues a failed or cancelled task again, at the end of the queue, with a new take whose first preview
    /// is in `<key>.png`. A frame that was removed with it comes back.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its status is another, or a person deleted its frame;
    /// [`StoreError::QueueFull`]; [`StoreError::NotFound`].
    pub async fn retry_task(&self, id: TaskId, key: String) -> Result<Created, StoreError> {
        write!(self, |conn| { conn.retry(id, key).await })
    }

    /// Puts a running task back into the queue, where it was: before those that came later. Its attempts are
    /// counted on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it does not run; [`StoreError::NotFound`].
    pub async fn requeue_task(&self, id: TaskId) -> Result<OpenTask, StoreError> {
        write!(self, |conn| { conn.requeue(id, 0).await })
    }

    /// As [`Store::requeue_task`], of a task during which the server ended without being stopped: that is counted.
    ///
    /// # Errors
    /// As there.
    pub async fn requeue_after_unclean_end(&self, id: TaskId) -> Result<OpenTask, StoreError> {
        write!(self, |conn| { conn.requeue(id, 1).await })
    }
}

/// The open tasks of those rows that can be read.
pub(crate) fn open_tasks_from_rows(rows: Vec<FullRow>) -> Result<Vec<OpenTask>, StoreError> {
    let mut open = Vec::with_capacity(rows.len());
    for row in rows {
        open.extend(readable("tasks", row.0.id, open_task_from_row(row))?);
    }
    Ok(open)
}

pub(crate) fn open_task_from_row(row: FullRow) -> Result<OpenTask, StoreError> {
    let Some((take_id, key, _)) = row.1.clone() else {
        return Err(StoreError::Corrupt { column: "takes.task_id", value: format!("none for task {}", row.0.id) });
    };
    let unclean_ends = shown("tasks.unclean_ends", row.0.unclean_ends)?;
    Ok(OpenTask { task: task_from_row(row)?, take_id: TakeId(take_id), key, unclean_ends })
}
