//! Tasks that a user changes before their pictures are finished.

use crate::changes::{Change, Outcome, ids_of};
use crate::claims::{OpenTask, open_task_from_row};
use crate::locks::LockQueries;
use crate::needs::{NeedRows, Needs};
use crate::rows::{json_for_column, to_column};
use crate::schema::tasks;
use crate::sharing::RequestRows;
use crate::tasks::{TaskQueries, parameters_from_text};
use crate::transaction::{change, on_connections};
use crate::{Store, StoreError};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use protocol::{Event, GenerationSteered, Parameters, TaskId, TaskStatus};

/// A task that was changed.
pub(crate) struct Steered {
    open: OpenTask,
    /// Steps that were done.
    step: u32,
    total_steps: u32,
}

impl Outcome for Steered {
    fn changes(&self) -> Vec<Change> {
        let event = Event::GenerationSteered(GenerationSteered {
            of: ids_of(&self.open.task, self.open.take_id),
            step: self.step,
            total_steps: self.total_steps,
            track: self.open.task.parameters.track.clone(),
        });
        vec![event.into(), Change::Queue]
    }
}

on_connections! {
    trait SteeringQueries;

    /// See [`Store::steer_attempt`].
    async fn steer_running(
        conn: Db,
        id: TaskId,
        attempt: i32,
        parameters: String,
        asked: Vec<i64>,
    ) -> Result<OpenTask, StoreError> {
        conn.lock_task(id).await?;
        let running = tasks::table
            .find(id.0)
            .filter(tasks::status.eq(TaskStatus::Running.as_str()))
            .filter(tasks::attempt.eq(attempt));
        if diesel::update(running).set(tasks::parameters.eq(parameters)).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, format!("running as attempt {attempt}")).await?);
        }
        conn.requests_done(asked).await?;
        open_task_from_row(conn.task_with_take(id.0).await?)
    }

    /// See [`Store::steer_waiting`].
    async fn steer_queued(
        conn: Db,
        id: TaskId,
        before: Parameters,
        after: String,
        needs: Needs,
    ) -> Result<OpenTask, StoreError> {
        conn.lock_task(id).await?;
        let (row, _) = conn.task_with_take(id.0).await?;
        if parameters_from_text(&row.parameters)? != before {
            return Err(StoreError::Conflict { why: format!("task {id} was changed meanwhile") });
        }
        let queued = tasks::table.find(id.0).filter(tasks::status.eq(TaskStatus::Queued.as_str()));
        if diesel::update(queued).set(tasks::parameters.eq(after)).execute(conn).await? == 0 {
            return Err(conn.wrong_status(id, "queued or paused".to_owned()).await?);
        }
        conn.put_needs(id.0, needs).await?;
        open_task_from_row(conn.task_with_take(id.0).await?)
    }
}

impl Store {
    /// Replaces the parameters of a running task after `step` steps. `asked`: the numbers of the requests that this does.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless it is running as this attempt; [`StoreError::NotFound`].
    pub async fn steer_attempt(
        &self,
        id: TaskId,
        attempt: u32,
        step: u32,
        parameters: &Parameters,
        asked: &[i64],
    ) -> Result<OpenTask, StoreError> {
        let (attempt, total_steps) = (to_column("tasks.attempt", attempt)?, self.inner.total_steps(parameters));
        let (text, asked) = (json_for_column("tasks.parameters", parameters)?, asked.to_vec());
        let steered = change!(self, |conn| {
            let open = conn.steer_running(id, attempt, text, asked).await?;
            Ok(Steered { open, step, total_steps })
        })?;
        Ok(steered.open)
    }

    /// Replaces the parameters of a queued or paused task, of which `step` steps are done.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is neither, or its parameters are not `before`; [`StoreError::NotFound`].
    pub async fn steer_waiting(
        &self,
        id: TaskId,
        step: u32,
        before: &Parameters,
        after: &Parameters,
    ) -> Result<OpenTask, StoreError> {
        let (before, total_steps) = (before.clone(), self.inner.total_steps(after));
        let (text, needs) = (json_for_column("tasks.parameters", after)?, self.needs(after));
        let steered = change!(self, |conn| {
            let open = conn.steer_queued(id, before, text, needs).await?;
            Ok(Steered { open, step, total_steps })
        })?;
        Ok(steered.open)
    }
}
