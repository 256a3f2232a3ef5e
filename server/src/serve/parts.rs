//! What makes pictures and knows the models; a server's routes are in front of it.

use super::models;
use crate::{cli::ModelArgs, commands::library::Reader, events::Hub};
use anyhow::{Context, Result};
use checkpoint::VaeConfig;
use engine::{Announce, Engine, EngineOptions, Identity, InjectedFault, Media, Models, NoClients, TraceLimits};
use library::Library;
use local_studio::{BaseOffers, LibraryLoras, LocalStudio, StoreKeeper};
use protocol::WorkerKind;
use std::{num::NonZeroUsize, sync::Arc};
use store::Store;

/// The engine and what it needs.
pub(super) struct Parts {
    pub(super) hub: Arc<Hub>,
    pub(super) library: Library,
    pub(super) engine: Engine,
    pub(super) base: BaseOffers,
}

/// What a process is and does.
pub(super) struct About {
    pub(super) identity: Identity,
    /// Generations at the same time.
    pub(super) concurrency: u8,
    /// For tests: the version of the drawing protocol.
    pub(super) protocol: Option<u32>,
    pub(super) fault: Option<InjectedFault>,
}

impl Parts {
    /// Starts the engine. The library's scan is started later.
    pub(super) async fn start(
        args: &ModelArgs,
        about: About,
        (store, media): (&Store, &Arc<Media>),
        models: Models,
        vae: Option<VaeConfig>,
    ) -> Result<Self> {
        let (models, hub) = (Arc::new(models), Arc::new(Hub::new()));
        LocalStudio::apply_settings(store, &models).await?;
        let open = models::open_options(args.dtype);
        let base = BaseOffers { offers: models.offers(), is_chosen: args.model.is_some(), open: open.clone() };
        let keeper = Arc::new(StoreKeeper::new(store.clone(), hub.clone()));
        let library = Library::new(args.models.clone(), keeper.clone(), Arc::new(Reader { options: open, vae }));
        models.set_complete(!library.has_folders());
        models.set_loras(Arc::new(LibraryLoras(library.clone())));
        let options = EngineOptions {
            identity: about.identity,
            concurrency: NonZeroUsize::new(about.concurrency.into()),
            paused: store.queue_paused().await?,
            traces: TraceLimits::from(&LocalStudio::stored_settings(store).await?),
            read_traces: LocalStudio::trace_limits,
            interrupted: LocalStudio::interrupted,
            protocol: about.protocol,
            fault: about.fault,
        };
        let announce: Arc<dyn Announce> = match options.identity.kind {
            WorkerKind::Server => hub.clone(),
            WorkerKind::Worker => Arc::new(NoClients),
        };
        let engine = Engine::start(store.clone(), Arc::clone(media), models, announce, options).await;
        let engine = engine.context("cannot start the engine")?;
        keeper.set_engine(engine.clone());
        Ok(Self { hub, library, engine, base })
    }
}
