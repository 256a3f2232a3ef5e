//! Publishes the queue's state after marks that it has changed.

use crate::state::AppState;
use std::time::Duration;

/// Changes within this time are combined: a hundred tasks queued at once make one or two events, not a hundred events of up
/// to a hundred tasks each.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// A queue of a thousand tasks takes 300 kB. A client gets at most this much of it in a second, but one at least every
/// [`LONGEST`].
const BYTES_PER_SECOND: usize = 256 << 10;
const LONGEST: Duration = Duration::from_secs(2);

/// Publishes `queue_updated` after changes of the queue, until the server stops.
pub async fn report(state: AppState) {
    loop {
        tokio::select! {
            () = state.hub.queue_change() => {}
            () = state.stopping.cancelled() => return,
        }
        state.services.publish_queue().await;
        tokio::time::sleep(pause_after(state.hub.queue_bytes())).await;
    }
}

/// The time until the next event, after one of this size.
fn pause_after(bytes: usize) -> Duration {
    let milliseconds = u64::try_from(bytes.saturating_mul(1000) / BYTES_PER_SECOND).unwrap_or(u64::MAX);
    Duration::from_millis(milliseconds).clamp(DEBOUNCE, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_queue_is_published_less_often() {
        assert_eq!(pause_after(3_000), DEBOUNCE);
        assert_eq!(pause_after(128 << 10), Duration::from_millis(500));
        assert_eq!(pause_after(64 << 20), LONGEST);
        assert_eq!(pause_after(usize::MAX), LONGEST);
    }
}
