//! Publishes the library's state, debounced.

use crate::state::AppState;
use std::time::Duration;

/// Changes within this time are combined: a scan of thousands of files makes a few events a second.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Offers the library's models and publishes `library_updated` after changes of the library, until the server stops.
pub async fn report(state: AppState) {
    loop {
        tokio::select! {
            () = state.hub.library_change() => {}
            () = state.stopping.cancelled() => return,
        }
        state.services.publish_library().await;
        tokio::time::sleep(DEBOUNCE).await;
    }
}
