//! What every handler can reach.

use crate::{budget::Budget, exports::Exports, service::StudioServices, ws::Hub};
use axum::extract::FromRef;
use engine::Engine;
use leptos::config::LeptosOptions;
use std::sync::Arc;
use store::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Bytes of pictures that are taken in at a time: two of the largest, or some dozens of the usual size.
const UPLOAD_BYTES: u64 = 128 * 1024 * 1024;

/// Shared by all handlers; cloning it is cheap.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The database.
    pub store: Store,
    /// What the page and the API can do, one implementation for both.
    pub services: Arc<StudioServices>,
    /// Sequences as files.
    pub exports: Arc<Exports>,
    /// Memory for pictures that are taken in; their bodies are read when it is their turn.
    pub uploads: Budget,
    /// Where events go out.
    pub hub: Arc<Hub>,
    /// Where the front end's files are and how they are named.
    pub leptos_options: LeptosOptions,
    /// Cancelled when the server begins to stop.
    pub stopping: CancellationToken,
    /// Open sockets. The HTTP server lets go of a connection once it is upgraded: without this list, the
    /// process would end before their closing frames are out.
    pub sockets: TaskTracker,
}

impl AppState {
    /// The state over an open database and a running engine.
    pub fn new(
        store: Store,
        hub: Arc<Hub>,
        engine: Engine,
        exports: Arc<Exports>,
        leptos_options: LeptosOptions,
    ) -> Self {
        let services = Arc::new(StudioServices::new(store.clone(), Arc::clone(&hub), engine, Arc::clone(&exports)));
        let uploads = Budget::new(UPLOAD_BYTES);
        let (stopping, sockets) = (CancellationToken::new(), TaskTracker::new());
        Self { store, services, exports, uploads, hub, leptos_options, stopping, sockets }
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos_options.clone()
    }
}
