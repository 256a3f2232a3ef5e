//! State shared by all handlers.

use crate::events::Hub;
use axum::extract::FromRef;
use leptos::config::LeptosOptions;
use local_studio::{Budget, LocalStudio};
use std::sync::Arc;
use store::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Memory budget for uploads, bytes: two pictures of the largest size, or dozens of the usual size.
const UPLOAD_BYTES: u64 = 128 * 1024 * 1024;

/// Shared by all handlers; cloning it is cheap.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The database.
    pub store: Store,
    /// What the pages and the API can do.
    pub services: Arc<LocalStudio>,
    /// Memory for uploads. A body is read only once it has its share.
    pub uploads: Budget,
    /// Publishes events to the WebSocket clients.
    pub hub: Arc<Hub>,
    /// Location and names of the front end's files.
    pub leptos_options: LeptosOptions,
    /// Cancelled when the server begins to stop.
    pub stopping: CancellationToken,
    /// Open WebSockets. The HTTP server does not track a connection once it is upgraded, so without this the process
    /// would end before their close frames are sent.
    pub sockets: TaskTracker,
}

impl AppState {
    /// State over an open database and the studio that uses it.
    pub fn new(store: Store, hub: Arc<Hub>, studio: LocalStudio, leptos_options: LeptosOptions) -> Self {
        let services = Arc::new(studio);
        let uploads = Budget::new(UPLOAD_BYTES);
        let (stopping, sockets) = (CancellationToken::new(), TaskTracker::new());
        Self { store, services, uploads, hub, leptos_options, stopping, sockets }
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos_options.clone()
    }
}
