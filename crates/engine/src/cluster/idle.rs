//! How a process that does not follow the log hears that a task waits for it.

use super::Cluster;
use std::{sync::Arc, time::Duration};

/// How long a sign is waited for at a time.
const WAIT: Duration = Duration::from_millis(200);
/// How often it is looked whether there is something to do. Between two pictures there is not, for some milliseconds.
const LOOK: Duration = Duration::from_millis(50);
/// Delay after an error of the database.
const RETRY: Duration = Duration::from_millis(250);

/// Calls `wake` when a task may wait for one of the workers, until the task is aborted.
pub(crate) async fn expect_tasks(
    cluster: Arc<Cluster>,
    tasks_at_once: usize,
    is_paused: impl Fn() -> bool + Send + Sync,
    wake: impl Fn() + Send,
) {
    let is_idle = || cluster.slots.len() < tasks_at_once && !is_paused();
    loop {
        let was_idle = is_idle();
        tokio::time::sleep(LOOK).await;
        if !was_idle || !is_idle() {
            // An error: the connection is lost, and with it the ear.
            cluster.store.expect_no_task().await.ok();
            continue;
        }
        while is_idle() {
            match cluster.store.expect_task(WAIT).await {
                Ok(true) => wake(),
                Ok(false) => {}
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}
