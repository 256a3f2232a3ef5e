//! Stopping: the signals, and what is waited for.

use crate::state::AppState;
use anyhow::{Context, Result};
use engine::Engine;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Time limit for open requests, the running step and open WebSockets when the server stops.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Waits for open requests, then for the running step, then for open WebSockets, up to [`GRACE`] for each.
pub(super) async fn finish(state: &AppState, engine: &Engine, server: JoinHandle<()>) -> Result<()> {
    match tokio::time::timeout(GRACE, server).await {
        Ok(ended) => ended.context("the server's task panicked")?,
        Err(_) => tracing::warn!(grace_s = GRACE.as_secs(), "requests were still open; stopping without them"),
    }
    if !engine.stop(GRACE).await {
        tracing::warn!(grace_s = GRACE.as_secs(), "a step was still running; the next start queues its task again");
    }
    state.sockets.close();
    if tokio::time::timeout(GRACE, state.sockets.wait()).await.is_err() {
        tracing::warn!(sockets = state.sockets.len(), "WebSockets were still open; stopping without them");
    }
    Ok(())
}

/// Registers for SIGTERM and SIGINT. The future completes at the first signal.
#[cfg(unix)]
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Registers for Ctrl+C. The future completes at the first one.
#[cfg(windows)]
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c().context("cannot listen for Ctrl+C")?;
    Ok(async move { _ = interrupt.recv().await })
}
