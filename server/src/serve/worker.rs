//! `emberline worker`: makes the pictures of the servers on a PostgreSQL database. It opens no port (unless one for
//! metrics is wanted); it connects to the database
//! and reads and writes the shared folder.

use super::{
    models,
    parts::{About, Parts},
    stop::{GRACE, stop_signal},
};
use crate::{
    cli::WorkerArgs,
    data_dir, http, machine,
    net::{self, Limits},
};
use anyhow::{Context, Result, bail};
use engine::{Engine, Identity, Media, recovery};
use local_studio::Offering;
use protocol::WorkerKind;
use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Changes of the library within this time are combined.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Runs the worker until SIGINT or SIGTERM, and then until its pictures are finished.
pub fn run(args: &WorkerArgs) -> Result<()> {
    data_dir::keep_private();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(work(args))
}

async fn work(args: &WorkerArgs) -> Result<()> {
    if store::sqlite_file(&args.database_url).is_some() {
        bail!("--database-url: a worker needs the PostgreSQL database of a server; a SQLite file has one server");
    }
    let listener = match args.metrics_listen {
        Some(address) if !address.ip().is_loopback() => {
            bail!("--metrics-listen {address}: must be a loopback address (127.0.0.1, [::1]): there is no password")
        }
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}; choose another with --metrics-listen"))?,
        ),
        None => None,
    };
    // Model headers are read first, so that a wrong --model is reported at once.
    let (models, vae) = models::open(&args.models)?;
    let media = Arc::new(args.media_url.media(&args.database_url, args.cache_dir.as_deref())?);
    let store = Store::join(&args.database_url).await.context("cannot open the database")?;
    store.set_lease(Duration::from_secs(args.lease.into()));
    media.find_traces_in(&store);
    join(&store, &media).await?;
    let name = args.name.clone().unwrap_or_else(machine::name);
    let identity = Identity { name: name.clone(), kind: WorkerKind::Worker };
    let (concurrency, protocol, fault) = (args.concurrency, args.pretend_protocol, args.inject_fault);
    let about = About { identity, concurrency, protocol, fault };
    let parts = Parts::start(&args.models, about, (&store, &media), models, vae).await?;
    let Parts { hub, library, engine, base } = parts;
    let offering =
        Offering { store: store.clone(), engine: engine.clone(), library: library.clone(), base: base.clone() };
    let offers = tokio::spawn(async move {
        loop {
            hub.library_change().await;
            offering.offer_models().await;
            tokio::time::sleep(DEBOUNCE).await;
        }
    });
    let stopping = CancellationToken::new();
    if let Some(listener) = listener {
        let address = listener.local_addr().context("the listening socket has no address")?;
        let router = http::worker_router(store.clone(), engine.clone(), address)?;
        tracing::info!(%address, "metrics are served");
        let limits = Limits::for_descriptors(net::descriptors::raise());
        tokio::spawn(net::serve(listener, router, limits, stopping.clone()));
    }
    library.start().context("cannot start the library")?;
    models::load_first(&engine, &library, &base);
    // Before the line is printed: a process that waits for it may stop the worker at once.
    let stop = stop_signal()?;
    announce(&name, &engine)?;
    stop.await;
    tracing::info!(drain_s = args.drain, "stopping; no more pictures are begun");
    let again = stop_signal()?;
    tokio::select! {
        () = engine.drain(Duration::from_secs(args.drain.into())) => {}
        () = again => tracing::info!("stopping without waiting for pictures"),
    }
    library.stop();
    if !engine.stop(GRACE).await {
        tracing::warn!(grace_s = GRACE.as_secs(), "a step was still running; another worker begins its picture again");
    }
    stopping.cancel();
    offers.abort();
    store.close().await.context("cannot close the database")?;
    tracing::info!("stopped");
    Ok(())
}

/// Checks that the folder is the servers', and registers. Servers and workers start one after the other.
async fn join(store: &Store, media: &Media) -> Result<()> {
    let joined = async {
        let start = store.begin_start(None).await.context("cannot begin the start")?;
        recovery::join(store, media).await?;
        store.take_turns();
        match start {
            Some(start) => store.end_start(start).await.context("cannot register this worker"),
            None => Ok(()),
        }
    };
    let joined = joined.await;
    if joined.is_err() {
        // An error from closing would hide the first one.
        store.close().await.ok();
    }
    joined
}

/// Prints the only line on standard output. Scripts wait for it.
fn announce(name: &str, engine: &Engine) -> Result<()> {
    let models = engine.models();
    let offers = models.offers();
    let names: Vec<_> = offers.iter().map(|offer| offer.name.as_str()).collect();
    tracing::info!(name, device = %models.compute().info, models = names.join(", "), "ready");
    let mut out = io::stdout().lock();
    writeln!(out, "Emberline worker {name} is ready (models {}, on {})", names.join(", "), models.compute().info)
        .and_then(|()| out.flush())
        .context("cannot print that the worker is ready")
}
