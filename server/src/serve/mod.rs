//! `emberline serve`: opens the data folder and the database, listens, and stops in order.

mod data;
mod models;
mod parts;
mod stop;
mod worker;

pub use worker::run as run_worker;

use crate::{
    cli::ServeArgs,
    commands::wildcards,
    data_dir,
    http::{
        self,
        access::{Access, Credentials},
        client::TrustedProxies,
        guard::Origins,
    },
    machine,
    net::{self, Limits},
    purge,
    state::AppState,
    ws,
};
use anyhow::{Context, Result, bail};
use data::Data;
use engine::{Engine, Identity};
use leptos::config::LeptosOptions;
use local_studio::{LocalStudio, WildcardFolder};
use parts::{About, Parts};
use protocol::WorkerKind;
use std::{
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};
use stop::{finish, stop_signal};
use tokio::net::TcpListener;

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
    let credentials = credentials(&args)?;
    let origins = Origins::new(&args.allow_origin, &args.host)?;
    // Before anything is opened, because connections must leave file descriptors for the server's own files.
    let limits = Limits::for_descriptors(net::descriptors::raise());
    let dir = data::lock(&args)?;
    // Model headers are read first, so that a wrong --model is reported at once. The port is bound before the database is
    // opened, so that a taken port does not wait for a migration.
    let (models, vae) = models::open(&args.models)?;
    let wildcards = wildcards(args.wildcards.as_deref())?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", args.listen))?;
    let address = listener.local_addr().context("the listening socket has no address")?;
    let data = data::open(&args, dir).await?;
    let offered = models.offers().iter().map(|offer| (offer.name.clone(), offer.title.clone())).collect::<Vec<_>>();
    data.store.note_offered(format!("{offered:?}")).await?;
    let about = About {
        identity: Identity { name: machine::name(), kind: WorkerKind::Server },
        concurrency: args.concurrency,
        protocol: args.pretend_protocol,
        fault: args.inject_fault,
    };
    let parts = Parts::start(&args.models, about, (&data.store, &data.media), models, vae).await?;
    let state = parts.state(&data, wildcards, leptos_options(address, args.site_root)?);
    let access = match credentials {
        Some(credentials) => Some(Arc::new(Access::open(credentials, &data.store).await?)),
        None => None,
    };
    if let Some(access) = access.clone() {
        tokio::spawn(access.follow_others(data.store.clone(), state.stopping.clone()));
    }
    let policy =
        http::Policy { origins: origins.with_own(address), access, proxies: TrustedProxies::new(args.trust_proxy) };
    let router = http::router(state.clone(), policy, ws::routes);
    let background = [
        tokio::spawn(ws::report_metrics(state.clone())),
        tokio::spawn(ws::report_queue(state.clone())),
        tokio::spawn(ws::report_library(state.clone())),
        tokio::spawn(ws::report_workers(state.clone())),
        tokio::spawn(purge::run(state.clone(), data.lost_found)),
    ];
    let Parts { library, engine, base, .. } = parts;
    library.start().context("cannot start the library")?;
    if args.concurrency > 0 {
        models::load_first(&engine, &library, &base);
    }
    log_ready(data.dir.path(), &engine);
    // Before the address is printed: a process that waits for the address may stop the server at once.
    let stop = stop_signal()?;
    announce(address, &engine)?;

    let stopping = state.stopping.clone();
    let server = tokio::spawn(net::serve(listener, router, limits, stopping.clone()));
    stop.await;
    tracing::info!("stopping");
    // The mark is removed first: the server may be killed before the shutdown is complete.
    drop(data.running);
    stopping.cancel();
    data.exports.stop();
    library.stop();
    finish(&state, &engine, server).await?;
    for task in background {
        task.await.context("a background task panicked")?;
    }
    data.store.close().await.context("cannot close the database")?;
    tracing::info!("stopped");
    Ok(())
}

impl Parts {
    fn state(&self, data: &Data, wildcards: Option<WildcardFolder>, leptos: LeptosOptions) -> AppState {
        let Self { hub, library, engine, base } = self;
        let exports = Arc::clone(&data.exports);
        let studio =
            LocalStudio::new(data.store.clone(), hub.clone(), engine.clone(), exports, library.clone(), base.clone());
        AppState::new(data.store.clone(), hub.clone(), studio.with_wildcards(wildcards), leptos)
    }
}

fn log_ready(data_dir: &Path, engine: &Engine) {
    let models = engine.models();
    let model = models.offers().first().map(|offer| offer.name.clone()).unwrap_or_default();
    tracing::info!(data_dir = %data_dir.display(), device = %models.compute().info, model, "ready");
}

/// The password and the token. `None` without both, which is allowed on a loopback address only.
fn credentials(args: &ServeArgs) -> Result<Option<Credentials>> {
    let credentials = Credentials::new(args.password.clone(), args.password_file.as_deref(), args.token.clone())?;
    if credentials.is_none() && !args.listen.ip().is_loopback() {
        bail!(
            "--listen {}: on any other than a loopback address (127.0.0.1, [::1]) a password or a token must be \
             set: --password-file, --password or --token",
            args.listen
        );
    }
    Ok(credentials)
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
