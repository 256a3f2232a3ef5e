//! Tasks and the queue.

use crate::{
    LocalStudio,
    problem::{engine_problem, problem},
};
use engine::{EngineError, new_key, total_steps};
use protocol::{FieldError, Problem, Queue, Task, TaskId, TaskStatus, TaskSummary};
use std::time::Duration;
use store::{NewTake, StoreError, TaskFilter};
use studio::TaskQuery;

/// How long "keep" waits for the picture, and "pause" for the end of the step: one step and its decoding on a slow machine.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(20);

impl LocalStudio {
    /// Adds the live state that is only in memory: current step, time left, and the number of steps to run.
    pub(crate) fn with_progress(&self, mut task: Task) -> Task {
        task.total_steps = total_steps(&task.parameters);
        let progress = self.engine.progress(task.id).filter(|progress| progress.attempt == task.attempt);
        if let Some(progress) = progress.filter(|_| task.status == TaskStatus::Running) {
            (task.step, task.eta_ms) = (progress.step, progress.eta_ms);
            task.waiting_for = progress.waiting_for.map(str::to_owned);
            task.loading = self.engine.loading(task.id);
            task.worker = self.engine.worker_of(task.id);
            task.warnings.extend(self.engine.warning(task.id).map(|why| FieldError::new("width", why)));
        }
        if task.status == TaskStatus::Queued {
            task.waiting_for = self.engine.waits_for_worker(&task.parameters);
        }
        task
    }

    /// The task as clients see it: with progress and warnings. Warnings about the prompts are computed, not stored.
    pub(crate) fn presented(&self, task: Task) -> Task {
        self.with_progress(Task { warnings: self.warnings(&task.parameters), ..task })
    }

    pub(crate) async fn get_task(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.presented(self.store.get_task(id).await.map_err(problem)?))
    }

    pub(crate) async fn list_tasks(&self, query: TaskQuery) -> Result<Vec<Task>, Problem> {
        let filter = TaskFilter { status: query.status, project_id: query.project_id };
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let tasks = self.store.list_tasks(filter, query.after, limit).await.map_err(problem)?;
        Ok(tasks.into_iter().map(|task| self.presented(task)).collect())
    }

    pub(crate) async fn list_open_tasks(&self) -> Result<Vec<TaskSummary>, Problem> {
        let tasks = self.store.get_queue().await.map_err(problem)?;
        Ok(tasks.into_iter().map(|task| TaskSummary::from(&self.with_progress(task))).collect())
    }

    pub(crate) async fn get_queue(&self) -> Result<Queue, Problem> {
        let paused = self.store.queue_paused().await.map_err(problem)?;
        Ok(Queue { paused, tasks: self.list_open_tasks().await? })
    }

    pub(crate) async fn cancel_task(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.presented(self.engine.cancel(id).await.map_err(engine_problem)?))
    }

    /// Cancels the open tasks of a deleted frame or project. A task that has ended in the meantime is not an error; other
    /// errors are logged.
    pub(crate) async fn cancel_tasks(&self, ids: impl IntoIterator<Item = TaskId>) {
        for id in ids {
            match self.engine.cancel(id).await {
                Ok(_) | Err(EngineError::Store(StoreError::Conflict { .. } | StoreError::NotFound { .. })) => {}
                Err(error) => _ = engine_problem(error),
            }
        }
    }

    pub(crate) async fn pause_task(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.presented(self.engine.pause_task(id, STEP_TIMEOUT).await.map_err(engine_problem)?))
    }

    pub(crate) async fn resume_task(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.presented(self.engine.resume_task(id, STEP_TIMEOUT).await.map_err(engine_problem)?))
    }

    pub(crate) async fn keep_task(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.presented(self.engine.keep(id, STEP_TIMEOUT).await.map_err(engine_problem)?))
    }

    pub(crate) async fn retry_task(&self, id: TaskId) -> Result<Task, Problem> {
        let task = self.store.get_task(id).await.map_err(problem)?;
        let take = NewTake { key: new_key(), parameters: task.parameters, seed: task.seed };
        self.write_first_previews(std::slice::from_ref(&take)).await?;
        if let Err(error) = self.store.retry_task(id, take.key.clone()).await {
            self.remove_pictures(std::iter::once(take.key.as_str()));
            return Err(problem(error));
        }
        self.get_task(id).await
    }

    pub(crate) async fn set_queue_paused(&self, paused: bool) -> Result<Queue, Problem> {
        self.store.set_queue_paused(paused).await.map_err(problem)?;
        self.engine.pause(paused);
        self.get_queue().await
    }

    pub(crate) async fn reorder_queue(&self, ids: Vec<TaskId>) -> Result<Queue, Problem> {
        self.store.reorder_queue(&ids).await.map_err(problem)?;
        self.get_queue().await
    }
}
