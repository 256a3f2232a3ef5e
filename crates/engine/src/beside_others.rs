//! What an engine does beside its workers where other processes use the database.

use crate::{
    cluster::{self, Identity},
    queue::Shared,
};
use protocol::WorkerKind;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Starts it. Nothing on SQLite.
pub(crate) fn beside_others(shared: &Arc<Shared>, identity: &Identity, tasks_at_once: usize) -> Vec<JoinHandle<()>> {
    let Some(cluster) = &shared.cluster else { return Vec::new() };
    let wake = || {
        let control = Arc::clone(&shared.control);
        move || control.wake()
    };
    let concurrency = u32::try_from(tasks_at_once).unwrap_or(u32::MAX);
    let own = cluster::Own::new(&shared.models, identity, concurrency, shared.protocol);
    let mut tasks = vec![
        tokio::spawn(cluster::keep_leases(Arc::clone(cluster))),
        tokio::spawn(cluster::send_reports(Arc::clone(cluster), Arc::clone(&shared.announce))),
        tokio::spawn(cluster::vacuum(Arc::clone(cluster))),
    ];
    match identity.kind {
        WorkerKind::Server => {
            let watch = cluster::watch_processes(Arc::clone(cluster), own, processes_changed(shared));
            tasks.push(tokio::spawn(watch));
        }
        WorkerKind::Worker => {
            let control = Arc::clone(&shared.control);
            let is_paused = move || control.is_paused();
            tasks.extend([
                tokio::spawn(cluster::advertise(Arc::clone(cluster), own, wake())),
                tokio::spawn(cluster::ask(Arc::clone(cluster), wake())),
                tokio::spawn(cluster::expect_tasks(Arc::clone(cluster), tasks_at_once, is_paused, wake())),
            ]);
        }
    }
    tasks
}

/// What is done after a change of the servers and workers of the database.
fn processes_changed(shared: &Arc<Shared>) -> impl Fn(bool) + Send + use<> {
    let shared = Arc::clone(shared);
    move |has_other_models| {
        shared.announce.workers_changed();
        if has_other_models {
            // Waiting tasks say whether they wait for a worker with their model.
            shared.announce.queue_changed();
        }
        shared.control.wake();
    }
}
