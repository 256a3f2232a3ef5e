//! The servers and workers of the database.

use crate::{LocalStudio, problem::problem};
use protocol::{Event, Problem, Worker, Workers};
use store::Process;

impl LocalStudio {
    /// Publishes the servers and workers.
    pub fn publish_workers(&self) {
        self.publish(Event::WorkersUpdated(Workers { workers: self.engine.list_workers() }));
    }

    /// Lets a worker start no more tasks, or start them again.
    pub(crate) async fn set_draining(&self, id: &str, draining: bool) -> Result<Worker, Problem> {
        let no_worker = || Problem::NotFound(format!("worker {id}"));
        if !self.store.set_draining(id, draining).await.map_err(problem)? {
            return Err(no_worker());
        }
        let processes = self.store.processes().await.map_err(problem)?;
        processes.iter().find(|process| process.id == id).map(Process::to_worker).ok_or_else(no_worker)
    }
}
