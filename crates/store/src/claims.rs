//! Claims: a worker takes the next queued task, or puts a running one back into the queue.

use crate::changes::{Change, Outcome, frame_after, frame_updated, ids_of};
use crate::clock::now_ms;
use crate::locks::LockQueries;
use crate::log::LogLock;
use crate::next_task::{Claimant, NextWaiting, Waiting};
use crate::rows::{from_column, to_column};
use crate::runs::RunRows;
use crate::schema::{takes, tasks};
use crate::shows::ShowQueries;
use crate::tasks::{FullRow, TaskQueries, task_from_row};
use crate::trace_objects::TraceQueries;
use crate::transaction::{change, on_connections, write};
use crate::unreadable::{readable, report};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{
    Event, Frame, GENERATOR, GenerationInterrupted, GenerationStarted, TakeId, Task, TaskId, TaskStatus, media_path,
};
use std::sync::Arc;

/// A queued or running task with its take.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenTask {
    /// The task.
    pub task: Task,
    /// Its take.
    pub take_id: TakeId,
    /// The take's key: the picture's file is `<key>.png`.
    pub key: String,
    /// How often the server ended uncleanly while this task ran, since a user last queued it.
    pub unclean_ends: u32,
    /// Steps that were done and saved when it was last paused or interrupted.
    pub done_steps: u32,
    /// Whether its current estimate becomes the finished picture: it was kept while it was paused.
    pub keeps: bool,
}

/// Result of a claim by a worker that runs beside others.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// The task is running now, as a new attempt.
    Task(Box<OpenTask>),
    /// No task is queued.
    Nothing,
    /// The first queued task was running during an unclean end of the server. It must run alone, so that no other
    /// task is blamed for the next unclean end. It is still queued.
    Alone,
}

/// What a claim changed.
pub(crate) struct Claimed {
    claim: Claim,
    /// The claimed task's frame in its new state.
    frame: Option<Frame>,
    total_steps: u32,
    /// What became of the frames of tasks that could not be read.
    unreadable: Vec<Change>,
}

impl Claimed {
    fn nothing(claim: Claim, unreadable: Vec<Change>) -> Self {
        Self { claim, frame: None, total_steps: 0, unreadable }
    }
}

impl Outcome for Claimed {
    fn changes(&self) -> Vec<Change> {
        let mut changes = self.unreadable.clone();
        if let Claim::Task(open) = &self.claim {
            let started = Event::GenerationStarted(GenerationStarted {
                of: ids_of(&open.task, open.take_id),
                preview_path: media_path(&open.key),
                step: open.done_steps,
                total_steps: self.total_steps,
                generator: GENERATOR.to_owned(),
            });
            changes.push(started.into());
            changes.extend(self.frame.as_ref().map(frame_updated));
            changes.push(Change::Queue);
        }
        changes
    }
}

/// A running task that is queued again.
pub(crate) struct Requeued {
    open: OpenTask,
    /// Its frame in its new state.
    frame: Option<Frame>,
    reason: &'static str,
}

impl Requeued {
    /// How often the server of the task was lost since a user last queued it.
    pub(crate) fn unclean_ends(&self) -> u32 {
        self.open.unclean_ends
    }
}

impl Outcome for Requeued {
    fn changes(&self) -> Vec<Change> {
        let interrupted = Event::GenerationInterrupted(GenerationInterrupted {
            of: ids_of(&self.open.task, self.open.take_id),
            reason: self.reason.to_owned(),
            step: self.open.done_steps,
            frame: self.frame.clone(),
        });
        let frame = self.frame.as_ref().map(frame_updated);
        [interrupted.into()].into_iter().chain(frame).chain([Change::Queue]).collect()
    }
}

/// Why a run ended that was not taken back, for users.
pub(crate) const STOPPED: &str = "its worker has stopped";
/// As [`STOPPED`], if nobody stopped it.
pub(crate) const ENDED_UNEXPECTEDLY: &str = "the server ended unexpectedly";

on_connections! {
    trait ClaimQueries;

    /// The next queued task, and those that were skipped so that later ones run: their rows cannot be decoded or make no sense.
    async fn next_readable(
        conn: Db,
        skipped: Vec<i64>,
        by: Claimant,
    ) -> Result<(Option<Waiting>, Vec<i64>), StoreError> {
        let mut unreadable = skipped;
        loop {
            let Some(next) = conn.next_waiting(unreadable.clone(), by.clone()).await? else {
                return Ok((None, unreadable));
            };
            let Waiting { id, attempt, finished_at, .. } = next;
            // The database would refuse to start it, again and again, and the tasks after it would never run.
            if finished_at.is_some() || !(0..i32::MAX).contains(&attempt) {
                let why = format!("is queued with attempt {attempt} and finished_at {finished_at:?}");
                report("tasks", id, &why);
                unreadable.push(id);
                continue;
            }
            // Read before it is started: otherwise an unreadable task would be `running` without a worker.
            if let Err(error @ StoreError::Undecodable { .. }) = conn.task_with_take(id).await {
                report("tasks", id, &error);
                unreadable.push(id);
                continue;
            }
            return Ok((Some(next), unreadable));
        }
    }

    /// See [`Store::claim_task`].
    async fn claim(conn: Db, is_alone: bool, by: Claimant) -> Result<Claimed, StoreError> {
        let (mut unreadable, mut changes) = (Vec::new(), Vec::new());
        loop {
            let (next, skipped) = conn.next_readable(unreadable, by.clone()).await?;
            unreadable = skipped;
            let Some(Waiting { id, unclean_ends, .. }) = next else {
                return Ok(Claimed::nothing(Claim::Nothing, changes));
            };
            if unclean_ends > 0 && !is_alone {
                return Ok(Claimed::nothing(Claim::Alone, changes));
            }
            let waiting = tasks::table
                .find(id)
                .filter(tasks::status.eq(TaskStatus::Queued.as_str()))
                .filter(tasks::paused.eq(false));
            let start = (
                tasks::status.eq(TaskStatus::Running.as_str()),
                tasks::attempt.eq(tasks::attempt + 1),
                tasks::started_at.eq(now_ms()),
                tasks::error.eq(None::<String>),
            );
            // 0 rows: another worker claimed it first. Look for the next one.
            if diesel::update(waiting).set(start).execute(conn).await? == 1 {
                conn.begin_run(id, by.holder.clone()).await?;
                match open_task_from_row(conn.task_with_take(id).await?) {
                    Err(StoreError::Corrupt { column, value }) => {
                        changes.extend(conn.fail_unreadable(id, column, value).await?);
                    }
                    opened => {
                        let open = opened?;
                        // A claim does not lock its project, so the frame may be changed until the log is locked.
                        conn.lock_log().await?;
                        let frame = conn.frame_shown(open.task.frame_id.0).await?;
                        let claim = Claim::Task(Box::new(open));
                        return Ok(Claimed { frame, ..Claimed::nothing(claim, changes) });
                    }
                }
            }
        }
    }

    /// Marks a task as failed whose row cannot be read: no worker can run it, and it would stay `running` for ever. Its
    /// file is left for the next start, whose recovery finds a file without a row.
    async fn fail_unreadable(
        conn: Db,
        id: i64,
        column: &'static str,
        value: String,
    ) -> Result<Vec<Change>, StoreError> {
        tracing::error!(task.id = id, column, value, "a task in the queue cannot be read; it is marked failed");
        let now = now_ms();
        let why = format!("the database holds a value that makes no sense: {column}");
        let end = (
            tasks::status.eq(TaskStatus::Failed.as_str()),
            tasks::error.eq(why),
            tasks::finished_at.eq(now),
        );
        let frame: i64 = diesel::update(tasks::table.find(id)).set(end).returning(tasks::frame_id).get_result(conn).await?;
        let before = conn.frame_shown(frame).await?;
        diesel::delete(takes::table.filter(takes::task_id.eq(id))).execute(conn).await?;
        let is_removed = conn.delete_if_empty(frame, now).await?;
        let after = conn.frame_shown(frame).await?;
        let frame = frame_after(after.as_ref(), before.as_ref().filter(|_| is_removed));
        Ok(frame.into_iter().chain([Change::Queue]).collect())
    }

    /// See [`Store::requeue_task`].
    async fn requeue(
        conn: Db,
        id: TaskId,
        unclean_ends: i32,
        done_steps: Option<i32>,
        reason: &'static str,
    ) -> Result<Requeued, StoreError> {
        conn.lock_task(id).await?;
        let running = tasks::table.find(id.0).filter(tasks::status.eq(TaskStatus::Running.as_str()));
        let waiting = (
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::unclean_ends.eq(tasks::unclean_ends + unclean_ends),
        );
        if diesel::update(running).set(waiting).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, TaskStatus::Running.as_str().to_owned()).await?);
        }
        // Of a saved state that is an object the step is known without reading it.
        let saved = match done_steps {
            None => conn.newer_saved_step(id.0).await?,
            done => done,
        };
        if let Some(done) = saved {
            diesel::update(tasks::table.find(id.0)).set(tasks::done_steps.eq(done)).execute(conn).await?;
        }
        let open = open_task_from_row(conn.task_with_take(id.0).await?)?;
        let frame = conn.frame_shown(open.task.frame_id.0).await?;
        Ok(Requeued { open, frame, reason })
    }
}

impl Store {
    /// Claims the first queued task: it is running now, as a new attempt. None when no task is queued. Skips tasks of
    /// deleted frames and projects, and tasks that cannot be read. Overnight tasks come last. Safe with any number of workers
    /// and processes. On PostgreSQL there is also none while the queue is paused.
    pub async fn claim_task(&self) -> Result<Option<OpenTask>, StoreError> {
        match self.claim(true, true).await? {
            Claim::Task(open) => Ok(Some(*open)),
            Claim::Nothing | Claim::Alone => Ok(None),
        }
    }

    /// As [`Store::claim_task`], for a worker beside which others may run. Overnight tasks only if `overnight`.
    pub async fn claim_beside_others(&self, overnight: bool) -> Result<Claim, StoreError> {
        self.claim(false, overnight).await
    }

    /// Whether a worker could claim a task that is not overnight.
    pub async fn others_wait(&self) -> Result<bool, StoreError> {
        let by = self.claimant(false);
        // The query locks what it finds.
        write!(self, |conn| { Ok(conn.next_readable(Vec::new(), by).await?.0.is_some()) })
    }

    fn claimant(&self, overnight: bool) -> Claimant {
        let own = &self.inner.own;
        let (models, abilities) = (own.models(), own.abilities());
        Claimant { holder: own.holder(), in_turns: own.in_turns(), models, abilities, overnight }
    }

    async fn claim(&self, is_alone: bool, overnight: bool) -> Result<Claim, StoreError> {
        let (inner, by) = (Arc::clone(&self.inner), self.claimant(overnight));
        let claimed = change!(self, |conn| {
            let mut claimed = conn.claim(is_alone, by).await?;
            if let Claim::Task(open) = &claimed.claim {
                claimed.total_steps = inner.total_steps(&open.task.parameters);
            }
            Ok(claimed)
        })?;
        Ok(claimed.claim)
    }

    /// Puts a running task back into the queue at its old place. The attempt count goes on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not running; [`StoreError::NotFound`].
    pub async fn requeue_task(&self, id: TaskId) -> Result<OpenTask, StoreError> {
        Ok(change!(self, |conn| { conn.requeue(id, 0, None, STOPPED).await })?.open)
    }

    /// As [`Store::requeue_task`], for a task that goes on after this number of saved steps. An unclean end of the server is not
    /// counted.
    ///
    /// # Errors
    /// As [`Store::requeue_task`].
    pub async fn requeue_after_steps(&self, id: TaskId, done: u32, is_unclean: bool) -> Result<OpenTask, StoreError> {
        let done = to_column("tasks.done_steps", done)?;
        let reason = if is_unclean { ENDED_UNEXPECTEDLY } else { STOPPED };
        Ok(change!(self, |conn| { conn.requeue(id, 0, Some(done), reason).await })?.open)
    }

    /// As [`Store::requeue_task`], for a task during which the server ended uncleanly; counts that end.
    ///
    /// # Errors
    /// As [`Store::requeue_task`].
    pub async fn requeue_after_unclean_end(&self, id: TaskId) -> Result<OpenTask, StoreError> {
        Ok(change!(self, |conn| { conn.requeue(id, 1, None, ENDED_UNEXPECTEDLY).await })?.open)
    }
}

/// The open tasks of the rows that can be read; the others are reported.
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
    let unclean_ends = from_column("tasks.unclean_ends", row.0.unclean_ends)?;
    let (done_steps, keeps) = (from_column("tasks.done_steps", row.0.done_steps)?, row.0.keeps);
    Ok(OpenTask { task: task_from_row(row)?, take_id: TakeId(take_id), key, unclean_ends, done_steps, keeps })
}
