//! Tasks and the queue.

use super::{
    StudioServices,
    problem::{engine_problem, problem},
};
use engine::{Announce, EngineError, new_key, total_steps};
use protocol::{FieldError, Problem, ProjectId, Queue, Task, TaskId, TaskStatus, TaskSummary};
use std::time::Duration;
use store::{NewTake, StoreError, TaskFilter};

/// How long the answer to "keep" waits for the picture: a step and the decoding of it, on a slow machine.
const KEEP_WAITS: Duration = Duration::from_secs(20);

/// The setting that survives a restart.
const PAUSED: &str = "queue_paused";

impl StudioServices {
    pub(super) fn hub_queue_changed(&self) {
        Announce::queue_changed(&*self.hub);
    }

    /// Whether the queue was paused when the server stopped.
    pub async fn was_paused(store: &store::Store) -> Result<bool, StoreError> {
        Ok(store.setting(PAUSED).await?.as_deref() == Some("true"))
    }

    /// Adds what only the memory knows: steps, time left, the true number of steps.
    fn overlaid(&self, mut task: Task) -> Task {
        task.total_steps = total_steps(&task.parameters);
        let progress = self.engine.progress(task.id).filter(|progress| progress.attempt == task.attempt);
        if let Some(progress) = progress.filter(|_| task.status == TaskStatus::Running) {
            (task.step, task.eta_ms) = (progress.step, progress.eta_ms);
            task.waiting_for = progress.waiting_for.map(str::to_owned);
            task.warnings.extend(self.engine.warning(task.id).map(|why| FieldError::new("width", why)));
        }
        task
    }

    /// As answers show it: overlaid, with its warnings. Those of the prompts follow from them, so they are not stored.
    fn shown(&self, task: Task) -> Task {
        self.overlaid(Task { warnings: task.parameters.warnings(), ..task })
    }

    pub(super) async fn read_task(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.shown(self.store.task(id).await.map_err(problem)?))
    }

    /// Tasks by status and project, newest first: so many at most, from behind a task on.
    pub async fn list_tasks(
        &self,
        status: Option<TaskStatus>,
        project_id: Option<ProjectId>,
        after: Option<TaskId>,
        most: usize,
    ) -> Result<Vec<Task>, Problem> {
        let filter = TaskFilter { status, project_id };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let tasks = self.store.tasks_before(filter, after, most).await.map_err(problem)?;
        Ok(tasks.into_iter().map(|task| self.shown(task)).collect())
    }

    pub(super) async fn tasks_of_queue(&self) -> Result<Vec<TaskSummary>, Problem> {
        let tasks = self.store.queue().await.map_err(problem)?;
        Ok(tasks.into_iter().map(|task| TaskSummary::from(&self.overlaid(task))).collect())
    }

    pub(super) async fn read_queue(&self) -> Result<Queue, Problem> {
        Ok(Queue { paused: self.engine.is_paused(), tasks: self.tasks_of_queue().await? })
    }

    pub(super) async fn cancel(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.shown(self.engine.cancel(id).await.map_err(engine_problem)?))
    }

    /// Cancels what a deletion leaves without a place. One that has ended meanwhile is as good.
    pub(super) async fn cancel_each(&self, ids: impl IntoIterator<Item = TaskId>) {
        for id in ids {
            match self.engine.cancel(id).await {
                Ok(_) | Err(EngineError::Store(StoreError::Conflict { .. } | StoreError::NotFound { .. })) => {}
                Err(error) => _ = engine_problem(error),
            }
        }
    }

    pub(super) async fn keep(&self, id: TaskId) -> Result<Task, Problem> {
        Ok(self.shown(self.engine.keep(id, KEEP_WAITS).await.map_err(engine_problem)?))
    }

    pub(super) async fn retry(&self, id: TaskId) -> Result<Task, Problem> {
        let task = self.store.task(id).await.map_err(problem)?;
        let take = NewTake { key: new_key(), parameters: task.parameters, seed: task.seed };
        self.write_first_previews(std::slice::from_ref(&take)).await?;
        let _unclaimed = self.engine.hold_claims().await;
        let created = match self.store.retry_task(id, take.key.clone()).await {
            Ok(created) => created,
            Err(error) => {
                self.remove_pictures(std::iter::once(take.key.as_str()));
                return Err(problem(error));
            }
        };
        self.tell_created(&created);
        self.read_task(id).await
    }

    pub(super) async fn pause(&self, paused: bool) -> Result<Queue, Problem> {
        self.store.put_setting(PAUSED, &paused.to_string()).await.map_err(problem)?;
        self.engine.pause(paused);
        self.hub_queue_changed();
        self.read_queue().await
    }

    pub(super) async fn reorder(&self, ids: Vec<TaskId>) -> Result<Queue, Problem> {
        self.store.reorder_queue(&ids).await.map_err(problem)?;
        self.hub_queue_changed();
        self.read_queue().await
    }
}
