//! Publishes the library's state, debounced.

use crate::state::AppState;
use protocol::LibraryStatus;
use std::time::Duration;

/// Changes within this time are combined: a scan of thousands of files makes a few events a second.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// The same while only hashes change: nothing but their number is new.
const HASHES_DEBOUNCE: Duration = Duration::from_secs(2);

/// Offers the library's models and publishes `library_updated` after changes of the library, until the server stops.
pub async fn report(state: AppState) {
    let mut last = LibraryStatus::default();
    loop {
        tokio::select! {
            () = state.hub.library_change() => {}
            () = state.stopping.cancelled() => return,
        }
        let now = state.services.publish_library().await;
        let only_hashes =
            now.files_revision == last.files_revision && now.scanning == last.scanning && now.unhashed > 0;
        tokio::time::sleep(if only_hashes { HASHES_DEBOUNCE } else { DEBOUNCE }).await;
        last = now;
    }
}
