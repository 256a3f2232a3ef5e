//! `emberline serve`: opens the data folder and the database, listens, and stops in order.

use crate::{
    cli::ServeArgs,
    commands::model::ModelChoice,
    data_dir,
    data_dir::DataDir,
    exports::Exports,
    http::{
        self,
        access::{Access, Credentials},
        client::TrustedProxies,
        guard::Origins,
    },
    net::{self, Limits},
    running::RunningMark,
    service::{Offers, StudioServices},
    state::AppState,
    ws,
    ws::Hub,
};
use anyhow::{Context, Result, bail};
use checkpoint::{Checkpoint, OpenOptions, Part};
use engine::{
    Engine, EngineOptions, LostFound, Media, ModelOptions, Models, lost_found,
    recovery::{self, RecoveryOptions},
};
use leptos::config::LeptosOptions;
use sdxl::{Compute, DeviceChoice, Precision};
use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::Duration,
};
use store::{Store, StoreError};
use tokio::net::TcpListener;

/// How long open requests may take to end once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How often deleted projects are looked through, and how long a deletion can be taken back.
const PURGE_EVERY: Duration = Duration::from_secs(60 * 60);
const UNDO_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

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
    // Before anything is opened: connections have to leave room for the server's own files.
    let limits = Limits::for_descriptors(net::descriptors::raise());
    let proxies = TrustedProxies::new(args.trust_proxy);
    let data_dir = DataDir::open(match args.data_dir {
        Some(path) => path,
        None => data_dir::default_path()?,
    })?;
    let url = args.database_url.unwrap_or_else(|| data_dir.database_url());
    // The headers first: what --model names is told of at once. Listening before the database is opened: a taken port should not wait for a migration.
    let models = Arc::new(models(&args.model, args.vae.as_deref(), args.taesd.as_deref(), args.device, args.dtype)?);
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", args.listen))?;
    let address = listener.local_addr().context("the listening socket has no address")?;
    let media = Arc::new(Media::at(&data_dir.media()));
    let recovery_options = recovery_options(&data_dir, args.accept_missing_pictures);
    let store = open_recovered(&url, &media, &recovery_options).await?;
    let running = RunningMark::set(data_dir.path()).context("cannot write in the data folder")?;
    let first_export = StudioServices::first_export_id(&store).await?;
    let exports = Exports::open(data_dir.exports(), first_export).context("cannot make the folder of exports")?;
    let exports = Arc::new(exports);
    let hub = Arc::new(Hub::new());
    let options = EngineOptions {
        concurrency: workers(args.concurrency),
        paused: StudioServices::was_paused(&store).await?,
        fault: args.inject_fault,
    };
    let engine =
        Engine::start(store.clone(), media, models, hub.clone(), options).context("cannot start the engine")?;

    let state = AppState::new(
        store.clone(),
        hub,
        engine.clone(),
        Arc::clone(&exports),
        leptos_options(address, args.site_root)?,
    );
    let policy = http::Policy { origins: origins.with_own(address), access, proxies };
    let router = http::router(state.clone(), policy);
    let background = [
        tokio::spawn(ws::report_metrics(state.clone())),
        tokio::spawn(ws::report_queue(state.clone())),
        tokio::spawn(purge(state.clone(), recovery_options.lost_found)),
    ];
    load_first(&engine);

    let default_model = engine.models().offers().first().map_or("", |offer| offer.name.as_str());
    tracing::info!(data_dir = %data_dir.path().display(), device = %engine.models().compute().info, model = default_model, "ready");
    // Before anyone is told where the server is: who starts it may stop it at once.
    let stop = stop_signal()?;
    announce(address, &engine)?;

    let stopping = state.stopping.clone();
    let server = tokio::spawn(net::serve(listener, router, limits, stopping.clone()));
    stop.await;
    tracing::info!("stopping");
    // At once: whoever asked for it may not wait for the rest.
    drop(running);
    stopping.cancel();
    exports.stop();
    match tokio::time::timeout(GRACE, server).await {
        Ok(ended) => ended.context("the server's task panicked")?,
        Err(_) => tracing::warn!(grace_s = GRACE.as_secs(), "requests were still open; stopping without them"),
    }
    if !engine.stop(GRACE).await {
        tracing::warn!(grace_s = GRACE.as_secs(), "a step still ran; the next start takes its task up again");
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

/// Who may use the server; none where everyone who reaches it may: programs of this machine.
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

/// The one line on standard output: scripts wait for it and read the port from it.
fn announce(address: SocketAddr, engine: &Engine) -> Result<()> {
    let models = engine.models();
    let names: Vec<_> = models.offers().iter().map(|offer| offer.name.as_str()).collect();
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

/// The models on offer, their headers read, and the device that they run on.
fn models(
    model: &ModelChoice,
    vae: Option<&Path>,
    taesd: Option<&Path>,
    device: DeviceChoice,
    precision: Option<Precision>,
) -> Result<Models> {
    let open = OpenOptions { prefer_fp16: precision == Some(Precision::F16) };
    let offers = Offers::of(model, &open, vae.is_some())?;
    offers.log();
    let part = |part, path: Option<&Path>| path.map(|path| Checkpoint::open_part(part, path, &open)).transpose();
    let vae = part(Part::Vae, vae).context("--vae")?;
    let taesd = part(Part::Taesd, taesd).context("--taesd")?;
    let compute = Compute::open(device)?;
    compute.precision(precision)?;
    let Offers { offers, refused } = offers;
    Ok(Models::new(offers, refused, ModelOptions { vae, taesd, precision }, compute))
}

fn workers(concurrency: u8) -> NonZeroUsize {
    NonZeroUsize::new(concurrency.into()).unwrap_or(NonZeroUsize::MIN)
}

fn recovery_options(data_dir: &DataDir, accept_missing: bool) -> RecoveryOptions {
    let last_end = RunningMark::last_end(data_dir.path());
    RecoveryOptions { last_end, accept_missing, lost_found: LostFound::at(data_dir.lost_found()) }
}

/// Opens the database and brings rows and files together after whatever ended the last run. Where that is refused the
/// database is closed: a log that is left beside it would be applied to the copy that a person puts in its place.
async fn open_recovered(url: &str, media: &Media, options: &RecoveryOptions) -> Result<Store> {
    let is_new = store::sqlite_file(url).is_some_and(|file| {
        // A log without its file is refused by the opening, in its own words.
        fs::metadata(&file).map_or(0, |file| file.len()) == 0 && !store::has_log_alone(&file)
    });
    if is_new {
        recovery::expect_no_pictures(media)?;
    }
    let store = Store::own(url).await.context("cannot open the database")?;
    match recover(&store, media, options).await {
        Ok(()) => Ok(store),
        Err(error) => {
            // The first error tells why; the second would only hide it.
            store.close().await.ok();
            Err(error)
        }
    }
}

async fn recover(store: &Store, media: &Media, options: &RecoveryOptions) -> Result<()> {
    let interrupted = StudioServices::stored_settings(store).await?.interrupted;
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

/// Loads the default model while nobody waits for it; a fault is told again by the first task that needs it.
fn load_first(engine: &Engine) {
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

/// Makes old deletions final, now and every hour, until the server stops.
async fn purge(state: AppState, lost_found: LostFound) {
    loop {
        match lost_found.purge(lost_found::KEPT_FOR) {
            Ok(0) => {}
            Ok(folders) => tracing::info!(folders, "what lost+found kept for 30 days is removed"),
            Err(error) => tracing::warn!(%error, "lost+found could not be looked through"),
        }
        match purge_once(&state).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(pictures = count, "deletions of long ago are final"),
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

/// The number of pictures that went. Rows first: the next start puts a picture without a row into lost+found.
async fn purge_once(state: &AppState) -> Result<usize, StoreError> {
    let mut keys = state.store.purge_projects(UNDO_FOR).await?.take_keys;
    keys.extend(state.store.purge_frames(UNDO_FOR).await?);
    let media = state.services.engine().media();
    for key in &keys {
        if let Err(error) = media.remove(key) {
            tracing::warn!(key, %error, "a picture could not be removed; the next start removes it");
        }
    }
    Ok(keys.len())
}

/// Listens for the signals that stop the server from now on; ends with the first.
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

/// Listens for Ctrl+C from now on; ends with the first.
#[cfg(windows)]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c().context("cannot listen for Ctrl+C")?;
    Ok(async move { _ = interrupt.recv().await })
}
