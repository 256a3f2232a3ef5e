//! Tasks that another server runs: what is wanted of them is a row, which that server reads.

use crate::{Engine, EngineError};
use protocol::{Task, TaskId, TaskStatus};
use std::time::{Duration, Instant};
use store::{RequestState, RunRequest};

/// How often it is looked whether the other server has done it.
const POLL: Duration = Duration::from_millis(50);

impl Engine {
    /// Whether another server runs this task, which is `running` in the database.
    ///
    /// # Errors
    /// The database does not answer.
    pub(crate) async fn runs_elsewhere(&self, id: TaskId) -> Result<bool, EngineError> {
        if self.shared.cluster.is_none() || self.shared.slots.get(id).is_some() {
            return Ok(false);
        }
        // One that this server has claimed is not listed at once.
        Ok(!self.shared.store.own_runs().await?.iter().any(|run| run.task == id))
    }

    /// As [`Engine::keep`], for a task that another server runs.
    pub(crate) async fn keep_elsewhere(&self, id: TaskId, at_most: Duration) -> Result<Task, EngineError> {
        let Some(attempt) = self.shared.store.keep_run(id).await? else {
            return Err(EngineError::NotRunning { task: id });
        };
        let deadline = Instant::now() + at_most;
        loop {
            let task = self.shared.store.get_task(id).await?;
            let is_running = task.status == TaskStatus::Running && task.attempt == attempt;
            if !is_running || Instant::now() >= deadline {
                return Ok(task);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks the server that runs a task for something, and waits until it is done or the run is over, at most `at_most`.
    pub(crate) async fn ask_elsewhere(
        &self,
        id: TaskId,
        request: RunRequest,
        at_most: Duration,
    ) -> Result<RequestState, EngineError> {
        let store = &self.shared.store;
        let Some(asked) = store.ask_run(id, &request).await? else { return Ok(RequestState::Over) };
        let deadline = Instant::now() + at_most;
        loop {
            match store.request_state(asked).await? {
                RequestState::Pending if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                state => return Ok(state),
            }
        }
    }
}
