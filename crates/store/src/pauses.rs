//! Tasks that stop between two steps and go on later: a user pauses and resumes them, one pauses by itself at a step, or an
//! overnight one steps aside.
//!
//! In the table a paused task is `queued` with the flag `paused`. It keeps its place in the queue.

use crate::changes::{Change, Outcome, frame_updated, ids_of};
use crate::claims::{OpenTask, open_task_from_row};
use crate::locks::LockQueries;
use crate::rows::to_column;
use crate::schema::tasks;
use crate::shows::ShowQueries;
use crate::tasks::TaskQueries;
use crate::transaction::{change, on_connections};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{
    Event, Frame, GenerationInterrupted, GenerationPaused, GenerationResumed, TaskId, TaskStatus, media_path,
};
use std::sync::Arc;

/// What became of a task.
#[derive(Clone, Copy)]
pub(crate) enum Became {
    Paused,
    /// Paused by itself, or resumed if a user has done that, or has kept it, before.
    PausedItself,
    Resumed,
    SteppedAside,
}

/// Why an overnight task was interrupted, for users.
const STEPPED_ASIDE: &str = "other pictures go first";

/// A task that was paused or resumed, or stepped aside.
pub(crate) struct Moved {
    open: OpenTask,
    /// Its frame in its new state.
    frame: Option<Frame>,
    total_steps: u32,
    became: Became,
}

impl Outcome for Moved {
    fn changes(&self) -> Vec<Change> {
        let (of, frame) = (ids_of(&self.open.task, self.open.take_id), self.frame.clone());
        let (step, total_steps, preview_path) = (self.open.done_steps, self.total_steps, media_path(&self.open.key));
        let event = match self.became {
            Became::Paused | Became::PausedItself if self.open.task.status == TaskStatus::Paused => {
                Event::GenerationPaused(GenerationPaused { of, step, total_steps, preview_path, frame })
            }
            Became::Paused | Became::PausedItself | Became::Resumed => {
                Event::GenerationResumed(GenerationResumed { of, step, total_steps, preview_path, frame })
            }
            Became::SteppedAside => {
                let reason = STEPPED_ASIDE.to_owned();
                Event::GenerationInterrupted(GenerationInterrupted { of, reason, step, frame })
            }
        };
        let frame = self.frame.as_ref().map(frame_updated);
        [event.into()].into_iter().chain(frame).chain([Change::Queue]).collect()
    }
}

/// Whether a task will not pause by itself any more, which it would have.
pub(crate) struct NoPause(bool);

impl Outcome for NoPause {
    fn changes(&self) -> Vec<Change> {
        if self.0 { vec![Change::Queue] } else { Vec::new() }
    }
}

on_connections! {
    trait PauseQueries;

    /// See [`Store::pause_task`].
    async fn pause_queued(conn: Db, id: TaskId) -> Result<Moved, StoreError> {
        conn.lock_task(id).await?;
        let queued = tasks::table
            .find(id.0)
            .filter(tasks::status.eq(TaskStatus::Queued.as_str()))
            .filter(tasks::paused.eq(false));
        if diesel::update(queued).set(tasks::paused.eq(true)).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, "queued or running".to_owned()).await?);
        }
        conn.moved(id, Became::Paused).await
    }

    /// Puts a running attempt back into the queue after the steps that are done. See [`Store::pause_attempt`] and
    /// [`Store::step_aside`].
    async fn requeue_running(
        conn: Db,
        id: TaskId,
        attempt: i32,
        done_steps: i32,
        keeps: Option<bool>,
        became: Became,
    ) -> Result<Moved, StoreError> {
        conn.lock_task(id).await?;
        let running = tasks::table
            .find(id.0)
            .filter(tasks::status.eq(TaskStatus::Running.as_str()))
            .filter(tasks::attempt.eq(attempt));
        let pauses = match became {
            Became::Paused => true,
            Became::PausedItself if keeps == Some(true) => false,
            Became::PausedItself => {
                let step: Option<Option<i32>> =
                    tasks::table.find(id.0).select(tasks::pause_at).first(conn).await.optional()?;
                step.flatten().is_some()
            }
            Became::Resumed | Became::SteppedAside => false,
        };
        let requeued = (
            tasks::status.eq(TaskStatus::Queued.as_str()),
            tasks::paused.eq(pauses),
            tasks::done_steps.eq(done_steps),
            keeps.map(|keeps| tasks::keeps.eq(keeps)),
        );
        if diesel::update(running).set(requeued).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, format!("running as attempt {attempt}")).await?);
        }
        conn.moved(id, became).await
    }

    /// See [`Store::resume_task`].
    async fn resume_paused(conn: Db, id: TaskId, keeps: bool) -> Result<Moved, StoreError> {
        conn.lock_task(id).await?;
        let resume = (
            tasks::paused.eq(false),
            tasks::keeps.eq(keeps),
            tasks::unclean_ends.eq(0),
            tasks::pause_at.eq(None::<i32>),
        );
        let paused = tasks::table.find(id.0).filter(tasks::paused.eq(true));
        if diesel::update(paused).set(resume).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, TaskStatus::Paused.as_str().to_owned()).await?);
        }
        conn.moved(id, Became::Resumed).await
    }

    /// See [`Store::pause_no_more`].
    async fn forget_pause(conn: Db, id: TaskId) -> Result<NoPause, StoreError> {
        conn.lock_task(id).await?;
        let open = [TaskStatus::Queued.as_str(), TaskStatus::Running.as_str()];
        let going = tasks::table.find(id.0).filter(tasks::status.eq_any(open)).filter(tasks::paused.eq(false));
        let pauses = going.filter(tasks::pause_at.is_not_null());
        let changed = diesel::update(pauses).set(tasks::pause_at.eq(None::<i32>)).execute(conn).await?;
        Ok(NoPause(changed > 0))
    }

    /// A task and its frame after a change.
    async fn moved(conn: Db, id: TaskId, became: Became) -> Result<Moved, StoreError> {
        let open = open_task_from_row(conn.task_with_take(id.0).await?)?;
        let frame = conn.frame_shown(open.task.frame_id.0).await?;
        Ok(Moved { open, frame, total_steps: 0, became })
    }
}

/// Runs a change of [`PauseQueries`], and counts the steps of the task.
macro_rules! moved {
    ($store:expr, |$conn:ident| $moved:expr) => {{
        let inner = Arc::clone(&$store.inner);
        let moved = change!($store, |$conn| {
            let mut moved: Moved = $moved.await?;
            moved.total_steps = inner.total_steps(&moved.open.task.parameters);
            Ok(moved)
        })?;
        Ok(moved.open)
    }};
}

impl Store {
    /// Pauses a queued task: no worker starts it until it is resumed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not queued, or paused already; [`StoreError::NotFound`].
    pub async fn pause_task(&self, id: TaskId) -> Result<OpenTask, StoreError> {
        moved!(self, |conn| conn.pause_queued(id))
    }

    /// Pauses a running task whose state after `done_steps` steps is saved.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it is running as this attempt; [`StoreError::NotFound`].
    pub async fn pause_attempt(&self, id: TaskId, attempt: u32, done_steps: u32) -> Result<OpenTask, StoreError> {
        let (attempt, done) = (to_column("tasks.attempt", attempt)?, to_column("tasks.done_steps", done_steps)?);
        moved!(self, |conn| conn.requeue_running(id, attempt, done, None, Became::Paused))
    }

    /// As [`Store::pause_attempt`], for a task that has reached the step at which it pauses by itself. If a user has resumed it
    /// before that, it is queued; and with `keeps`, so that its next start makes the current estimate the finished picture.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it is running as this attempt; [`StoreError::NotFound`].
    pub async fn pause_at_its_step(
        &self,
        id: TaskId,
        attempt: u32,
        done_steps: u32,
        keeps: bool,
    ) -> Result<OpenTask, StoreError> {
        let (attempt, done) = (to_column("tasks.attempt", attempt)?, to_column("tasks.done_steps", done_steps)?);
        moved!(self, |conn| conn.requeue_running(id, attempt, done, Some(keeps), Became::PausedItself))
    }

    /// Queues a running overnight task whose state after `done_steps` steps is saved, at its old place: others go first. With
    /// `keeps` its next start makes the current estimate the finished picture.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it is running as this attempt; [`StoreError::NotFound`].
    pub async fn step_aside(
        &self,
        id: TaskId,
        attempt: u32,
        done_steps: u32,
        keeps: bool,
    ) -> Result<OpenTask, StoreError> {
        let (attempt, done) = (to_column("tasks.attempt", attempt)?, to_column("tasks.done_steps", done_steps)?);
        moved!(self, |conn| conn.requeue_running(id, attempt, done, Some(keeps), Became::SteppedAside))
    }

    /// A queued or running task does not pause by itself any more. Returns whether that changed anything: false for a task that
    /// is paused already, has ended, or did not pause by itself.
    pub async fn pause_no_more(&self, id: TaskId) -> Result<bool, StoreError> {
        Ok(change!(self, |conn| { conn.forget_pause(id).await })?.0)
    }

    /// Queues a paused task at its old place; it does not pause by itself any more. With `keeps` its next start makes the current estimate the finished picture.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not paused; [`StoreError::NotFound`].
    pub async fn resume_task(&self, id: TaskId, keeps: bool) -> Result<OpenTask, StoreError> {
        moved!(self, |conn| conn.resume_paused(id, keeps))
    }
}
