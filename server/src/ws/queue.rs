//! Publishes the queue's state, debounced.

use crate::state::AppState;
use std::time::Duration;

/// Changes within this time are combined: a hundred tasks queued at once make one or two events, not a hundred events of up
/// to a hundred tasks each.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Publishes `queue_updated` after changes of the queue, until the server stops.
pub async fn report(state: AppState) {
    loop {
        tokio::select! {
            () = state.hub.queue_change() => {}
            () = state.stopping.cancelled() => return,
        }
        state.services.publish_queue().await;
        tokio::time::sleep(DEBOUNCE).await;
    }
}
