//! Publishes the servers and workers of the database.

use crate::state::AppState;
use std::time::Duration;

/// Changes within this time are combined: each task that begins or ends is one.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Publishes `workers_updated` after changes of the servers and workers, until the server stops.
pub async fn report(state: AppState) {
    loop {
        tokio::select! {
            () = state.hub.workers_change() => {}
            () = state.stopping.cancelled() => return,
        }
        state.services.publish_workers();
        tokio::time::sleep(DEBOUNCE).await;
    }
}
