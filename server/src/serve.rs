//! `emberline serve`: opens the data folder and the database, listens, and stops in order.

use crate::events::Hub;
use crate::{
    cli::ServeArgs,
    commands::{library::Reader, model::ModelChoice, offers::Offers, wildcards},
    data_dir::{self, DataDir},
    http::{
        self,
        access::{Access, Credentials},
        client::TrustedProxies,
        guard::Origins,
    },
    net::{self, Limits},
    purge,
    running::RunningMark,
    state::AppState,
    ws,
};
use anyhow::{Context, Result, bail};
use checkpoint::{Checkpoint, OpenOptions, Part};
use engine::{
    Engine, EngineOptions, LostFound, Media, ModelOptions, Models,
    recovery::{self, RecoveryOptions},
};
use leptos::config::LeptosOptions;
use library::Library;
use local_studio::{BaseOffers, Exports, LibraryLoras, LocalStudio, StoreKeeper};
use sdxl::{Compute, DeviceChoice, Pipeline, Precision};
use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::Duration,
};
use store::Store;
use tokio::{net::TcpListener, task::JoinHandle};

/// Time limit for open requests, the running step and open WebSockets when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// Runs the server until SIGINT or SIGTERM.
pub fn run(args: ServeArgs) -> Result<()> {
    data_dir::keep_private();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(serve(args))
}

async fn serve(args: ServeArgs) -> Result<()> {
    protocol::set_base_path(args.base_path.clone().leak());
    let access = access(&args)?;
    let origins = Origins::new(&args.allow_origin, &args.host)?;
    // Before anything is opened, because connections must leave file descriptors for the server's own files.
    let limits = Limits::for_descriptors(net::descriptors::raise());
    let proxies = TrustedProxies::new(args.trust_proxy);
    let data_dir = DataDir::open(match args.data_dir {
        Some(path) => path,
        None => data_dir::default_path()?,
    })?;
    let url = args.database_url.unwrap_or_else(|| data_dir.database_url());
    // Model headers are read first, so that a wrong --model is reported at once. The port is bound before the database is
    // opened, so that a taken port does not wait for a migration.
    let in_memory = NonZeroUsize::new(args.models_in_memory.into()).unwrap_or(NonZeroUsize::MIN);
    let chosen = args.model.clone().unwrap_or_default();
    let models = models(&chosen, args.vae.as_deref(), args.taesd.as_deref(), args.device, args.dtype, in_memory)?;
    let models = Arc::new(models);
    let wildcards = wildcards(args.wildcards.as_deref())?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", args.listen))?;
    let address = listener.local_addr().context("the listening socket has no address")?;
    let media = Arc::new(Media::at(&data_dir.media()));
    let recovery_options = recovery_options(&data_dir, args.accept_missing_pictures);
    let store = open_recovered(&url, &media, &recovery_options).await?;
    let running = RunningMark::set(data_dir.path())?;
    let first_export = LocalStudio::first_export_id(&store).await?;
    let exports = Exports::open(data_dir.exports(), first_export)
        .with_context(|| format!("cannot make the folder of exports {}", data_dir.exports().display()))?;
    let exports = Arc::new(exports);
    let hub = Arc::new(Hub::new());
    let options = EngineOptions {
        concurrency: workers(args.concurrency),
        paused: store.queue_paused().await?,
        fault: args.inject_fault,
    };
    let open = open_options(args.dtype);
    let base = BaseOffers { offers: models.offers(), is_chosen: args.model.is_some(), open: open.clone() };
    let keeper = Arc::new(StoreKeeper::new(store.clone(), hub.clone()));
    let reader = Arc::new(Reader { options: open, has_vae: args.vae.is_some() });
    let library = Library::new(args.models, keeper.clone(), reader);
    models.set_complete(!library.has_folders());
    models.set_loras(Arc::new(LibraryLoras(library.clone())));
    let started = Engine::start(store.clone(), media, models, hub.clone(), options).await;
    let engine = started.context("cannot start the engine")?;
    keeper.set_engine(engine.clone());

    let (exporter, shelves) = (Arc::clone(&exports), library.clone());
    let studio = LocalStudio::new(store.clone(), hub.clone(), engine.clone(), exporter, shelves, base.clone());
    let studio = studio.with_wildcards(wildcards);
    let state = AppState::new(store.clone(), hub, studio, leptos_options(address, args.site_root)?);
    let policy = http::Policy { origins: origins.with_own(address), access, proxies };
    let router = http::router(state.clone(), policy, ws::routes);
    let background = [
        tokio::spawn(ws::report_metrics(state.clone())),
        tokio::spawn(ws::report_queue(state.clone())),
        tokio::spawn(ws::report_library(state.clone())),
        tokio::spawn(purge::run(state.clone(), recovery_options.lost_found)),
    ];
    library.start().context("cannot start the library")?;
    load_first(&engine, &library, &base);

    let default_model = engine.models().offers().first().map(|offer| offer.name.clone()).unwrap_or_default();
    tracing::info!(data_dir = %data_dir.path().display(), device = %engine.models().compute().info, model = default_model, "ready");
    // Before the address is printed: a process that waits for the address may stop the server at once.
    let stop = stop_signal()?;
    announce(address, &engine)?;

    let stopping = state.stopping.clone();
    let server = tokio::spawn(net::serve(listener, router, limits, stopping.clone()));
    stop.await;
    tracing::info!("stopping");
    // The mark is removed first: the server may be killed before the shutdown is complete.
    drop(running);
    stopping.cancel();
    exports.stop();
    library.stop();
    finish(&state, &engine, server).await?;
    for task in background {
        task.await.context("a background task panicked")?;
    }
    store.close().await.context("cannot close the database")?;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for open requests, then for the running step, then for open WebSockets, up to [`GRACE`] for each.
async fn finish(state: &AppState, engine: &Engine, server: JoinHandle<()>) -> Result<()> {
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

/// The access control. `None` without a password or token, which is allowed on a loopback address only.
fn access(args: &ServeArgs) -> Result<Option<Arc<Access>>> {
    let credentials = Credentials::new(args.password.clone(), args.password_file.as_deref(), args.token.clone())?;
    if credentials.is_none() && !args.listen.ip().is_loopback() {
        bail!(
            "--listen {}: on any other than a loopback address (127.0.0.1, [::1]) a password or a token must be \
             set: --password-file, --password or --token",
            args.listen
        );
    }
    Ok(credentials.map(|credentials| Arc::new(Access::new(credentials))))
}

/// Prints the only line on standard output. Scripts wait for it and read the port from it.
fn announce(address: SocketAddr, engine: &Engine) -> Result<()> {
    let models = engine.models();
    let offers = models.offers();
    let names: Vec<_> = offers.iter().map(|offer| offer.name.as_str()).collect();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Emberline is at http://{address}{} (model {}, on {})",
        protocol::base_path(),
        names.join(", "),
        models.compute().info
    )
    .and_then(|()| out.flush())
    .context("cannot print the address")
}

/// Opens the offered models, reading only their headers, and the device.
fn models(
    model: &ModelChoice,
    vae: Option<&Path>,
    taesd: Option<&Path>,
    device: DeviceChoice,
    precision: Option<Precision>,
    in_memory: NonZeroUsize,
) -> Result<Models> {
    let open = open_options(precision);
    let offers = Offers::of(model, &open, vae.is_some())?;
    offers.log();
    let part = |part, path: Option<&Path>| -> Result<Option<Checkpoint>> {
        let Some(path) = path else { return Ok(None) };
        let checkpoint = Checkpoint::open_part(part, path, &open)?;
        Pipeline::check_part(&checkpoint, part)?;
        Ok(Some(checkpoint))
    };
    let vae = part(Part::Vae, vae).context("--vae")?;
    let taesd = part(Part::Taesd, taesd).context("--taesd")?;
    let compute = Compute::open(device)?;
    compute.precision(precision)?;
    let Offers { offers, refused } = offers;
    Ok(Models::new(offers, refused, ModelOptions { vae, taesd, precision, in_memory }, compute))
}

fn workers(concurrency: u8) -> NonZeroUsize {
    NonZeroUsize::new(concurrency.into()).unwrap_or(NonZeroUsize::MIN)
}

/// How checkpoints are opened.
fn open_options(precision: Option<Precision>) -> OpenOptions {
    OpenOptions { prefer_fp16: precision == Some(Precision::F16) }
}

fn recovery_options(data_dir: &DataDir, accept_missing: bool) -> RecoveryOptions {
    let last_end = RunningMark::last_end(data_dir.path());
    RecoveryOptions { last_end, accept_missing, lost_found: LostFound::at(data_dir.lost_found()) }
}

/// Opens the database and reconciles rows and files. If that fails the database is closed: a log file left beside it would be
/// applied to a backup that somebody puts in its place.
async fn open_recovered(url: &str, media: &Media, options: &RecoveryOptions) -> Result<Store> {
    let is_new = store::sqlite_file(url).is_some_and(|file| {
        // Opening the database reports a log without a database file.
        fs::metadata(&file).map_or(0, |file| file.len()) == 0 && !store::has_log_alone(&file)
    });
    if is_new {
        recovery::expect_no_pictures(media)?;
    }
    let store = Store::own(url).await.context("cannot open the database")?;
    match recover(&store, media, options).await {
        Ok(()) => Ok(store),
        Err(error) => {
            // An error from closing would hide the first one.
            store.close().await.ok();
            Err(error)
        }
    }
}

async fn recover(store: &Store, media: &Media, options: &RecoveryOptions) -> Result<()> {
    let interrupted = LocalStudio::stored_settings(store).await?.interrupted;
    let findings = recovery::reconcile(store, media, interrupted, options).await?;
    if !findings.is_empty() {
        let put_away = findings.lost_found.as_ref().map(|folder| folder.display().to_string());
        tracing::info!(
            interrupted_tasks = findings.interrupted.len(),
            orphaned_files = findings.orphaned_files.len(),
            unfinished_files = findings.unfinished_files.len(),
            lost_previews = findings.lost_previews.len(),
            lost_pictures = findings.lost_pictures.len(),
            put_away,
            "recovered from an unclean stop"
        );
    }
    Ok(())
}

/// Loads the default model in the background. The first task that needs it reports the error again. With a library and
/// without `--model` the default is known only after the scan; then the first task loads its model.
fn load_first(engine: &Engine, library: &Library, base: &BaseOffers) {
    if library.has_folders() && !base.is_chosen {
        return;
    }
    let models = Arc::clone(engine.models());
    let Some(name) = models.offers().first().map(|offer| offer.name.clone()) else { return };
    tokio::task::spawn_blocking(move || {
        if let Err(error) = models.pipeline(&name) {
            tracing::error!(%error, "the default model cannot be loaded");
        }
    });
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

/// Registers for SIGTERM and SIGINT. The future completes at the first signal.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>> {
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
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c().context("cannot listen for Ctrl+C")?;
    Ok(async move { _ = interrupt.recv().await })
}
