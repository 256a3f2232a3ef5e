//! Reports this server's steps to the others.

use super::Cluster;
use protocol::{GenerationProgress, TaskId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

/// The newest step of each task that is not sent yet. The sampler never waits: a step replaces the one before it.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    newest: Mutex<HashMap<TaskId, GenerationProgress>>,
    added: Notify,
}

impl Reports {
    pub(crate) fn add(&self, event: GenerationProgress) {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).insert(event.of.task_id, event);
        self.added.notify_one();
    }

    fn take(&self) -> HashMap<TaskId, GenerationProgress> {
        std::mem::take(&mut *self.newest.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends reports until the task is aborted. One that fails is not sent again: the next step follows, and the renewals log that the
/// database is away.
pub(crate) async fn send_reports(cluster: Arc<Cluster>) {
    loop {
        cluster.reports.added.notified().await;
        for event in cluster.reports.take().into_values() {
            cluster.store.report_step(event).await.ok();
        }
    }
}
