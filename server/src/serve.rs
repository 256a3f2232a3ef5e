//! `emberline serve`: opens the data folder and the database, listens, and stops in order.

use crate::{cli::ServeArgs, data_dir, data_dir::DataDir, http, http::guard::Origins, state::AppState, ws};
use anyhow::{Context, Result, bail};
use leptos::config::LeptosOptions;
use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};
use store::Store;
use tokio::net::TcpListener;

/// How long open requests may take to end once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How often deleted projects are looked through, and how long a deletion can be taken back.
const PURGE_EVERY: Duration = Duration::from_secs(60 * 60);
const UNDO_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Runs the server until SIGINT or SIGTERM.
pub fn run(args: ServeArgs) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(serve(args))
}

async fn serve(args: ServeArgs) -> Result<()> {
    if !args.listen.ip().is_loopback() {
        bail!(
            "--listen {}: only loopback addresses (127.0.0.1, [::1]) can be listened on: there is no access control yet",
            args.listen
        );
    }
    let origins = Origins::new(&args.allow_origin)?;
    let data_dir = DataDir::open(match args.data_dir {
        Some(path) => path,
        None => data_dir::default_path()?,
    })?;
    let url = args.database_url.unwrap_or_else(|| data_dir.database_url());
    // Listening before the database is opened: a taken port should not wait for a migration.
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", args.listen))?;
    let address = listener.local_addr().context("the listening socket has no address")?;
    let store = Store::open(&url).await.context("cannot open the database")?;

    let state = AppState::new(store.clone(), leptos_options(address, args.site_root)?);
    let router = http::router(state.clone(), origins.with_own(address));
    let background = [tokio::spawn(ws::report_metrics(state.clone())), tokio::spawn(purge(state.clone()))];

    tracing::info!(data_dir = %data_dir.path().display(), "ready");
    announce(address)?;

    let stopping = state.stopping.clone();
    let server = axum::serve(listener, router).with_graceful_shutdown({
        let stopping = stopping.clone();
        async move { stopping.cancelled().await }
    });
    let server = tokio::spawn(server.into_future());
    stop_signal().await?;
    tracing::info!("stopping");
    stopping.cancel();
    match tokio::time::timeout(GRACE, server).await {
        Ok(ended) => ended.context("the server's task panicked")?.context("the server failed")?,
        Err(_) => tracing::warn!(grace_s = GRACE.as_secs(), "requests were still open; stopping without them"),
    }
    state.sockets.close();
    if tokio::time::timeout(GRACE, state.sockets.wait()).await.is_err() {
        tracing::warn!(sockets = state.sockets.len(), "sockets were still open; stopping without them");
    }
    for task in background {
        task.await.context("a background task panicked")?;
    }
    store.close().await.context("cannot close the database")?;
    tracing::info!("stopped");
    Ok(())
}

/// The one line on standard output: scripts wait for it and read the port from it.
fn announce(address: SocketAddr) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Emberline is at http://{address}").and_then(|()| out.flush()).context("cannot print the address")
}

fn leptos_options(address: SocketAddr, site_root: Option<std::path::PathBuf>) -> Result<LeptosOptions> {
    let site_root = site_root
        .map(|path| {
            path.into_os_string().into_string().map_err(|path| anyhow::anyhow!("--site-root {path:?} is not UTF-8"))
        })
        .transpose()?
        .unwrap_or_default();
    Ok(LeptosOptions::builder()
        .output_name("emberline")
        .site_root(site_root)
        .site_pkg_dir("pkg")
        .site_addr(address)
        .build())
}

/// Makes old deletions final, now and every hour, until the server stops.
async fn purge(state: AppState) {
    loop {
        match state.store.purge_projects(UNDO_FOR).await {
            Ok(gone) if gone.projects.is_empty() => {}
            Ok(gone) => tracing::info!(count = gone.projects.len(), "projects deleted long ago are gone for good"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "old deletions could not be made final")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PURGE_EVERY) => {}
            () = state.stopping.cancelled() => return,
        }
    }
}

#[cfg(unix)]
async fn stop_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("cannot listen for SIGINT"),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> Result<()> {
    tokio::signal::ctrl_c().await.context("cannot listen for Ctrl+C")
}
