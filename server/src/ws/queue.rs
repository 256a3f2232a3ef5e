//! The queue's new state, once for many changes.

use crate::state::AppState;
use std::time::Duration;

/// A hundred tasks queued in one go make one event or two, not a hundred with up to a hundred tasks each.
const TOGETHER: Duration = Duration::from_millis(50);

/// Publishes `queue_updated` after each change of the queue until the server stops.
pub async fn report(state: AppState) {
    loop {
        tokio::select! {
            () = state.hub.queue_change() => {}
            () = state.stopping.cancelled() => return,
        }
        state.services.tell_queue().await;
        tokio::time::sleep(TOGETHER).await;
    }
}
