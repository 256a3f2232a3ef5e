//! The studio on this machine: implements [`studio::Services`] over the database, the engine and the files. Each change
//! is validated and stored; the database hands its events to the engine, which passes them on.
//!
//! It is a crate of its own and not a feature of `studio`: Cargo enables a feature for the whole build, so with a feature
//! that only the server turns on, the pages would depend on the database too.

mod budget;
mod events;
mod export_jobs;
mod exports;
mod formations;
mod frames;
mod generations;
mod imports;
mod library;
mod picture;
mod problem;
mod projects;
mod services;
mod settings;
mod steering;
mod styles;
mod tasks;
mod thumbnails;
mod tokens;
mod traces;
mod wildcards;
mod workers;

pub use self::library::{BaseOffers, LibraryLoras, Offering, StoreKeeper};
pub use budget::{Budget, Share};
pub use events::Events;
pub use export_jobs::Exports;
pub use picture::TAKE;
pub use thumbnails::TakeThumbnail;
pub use traces::step_problem;
pub use wildcards::WildcardFolder;

use ::library::Library;
use engine::{Engine, Media};
use protocol::{Event, Problem, TaskSummary};
use std::{future::Future, sync::Arc};
use store::Store;
use tracing::Instrument;

/// Memory budget for decoding imports, bytes: two pictures of 100 megapixels at 8 bits and three channels, with the
/// copies that decoding makes.
const IMPORT_BYTES: u64 = 1024 * 1024 * 1024;

/// The implementation. Cheap to clone.
///
/// Its own methods have the names of the trait's and do the work; those of the trait add that a change runs to
/// completion.
#[derive(Clone, Debug)]
pub struct LocalStudio {
    store: Store,
    events: Arc<dyn Events>,
    engine: Engine,
    exports: Arc<Exports>,
    library: Library,
    base: BaseOffers,
    usage: Arc<library::CountedUsage>,
    /// Shared by concurrent imports: several small pictures, or one of the largest.
    import_memory: Budget,
    thumbnails: Arc<thumbnails::Thumbnails>,
    /// Where the wildcards of prompts come from.
    wildcards: Option<WildcardFolder>,
}

impl LocalStudio {
    /// A studio that stores in `store`, generates with `engine`, publishes to `events` and exports with `exports`. It offers
    /// the models of `library` beside those of `base`.
    pub fn new(
        store: Store,
        events: Arc<dyn Events>,
        engine: Engine,
        exports: Arc<Exports>,
        library: Library,
        base: BaseOffers,
    ) -> Self {
        let import_memory = Budget::new(IMPORT_BYTES);
        Self {
            store,
            events,
            engine,
            exports,
            library,
            base,
            usage: Arc::default(),
            import_memory,
            thumbnails: Arc::default(),
            wildcards: None,
        }
    }

    /// The same studio, with wildcards from this folder.
    pub fn with_wildcards(self, wildcards: Option<WildcardFolder>) -> Self {
        Self { wildcards, ..self }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Queued and running tasks with their current step.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn open_tasks(&self) -> Result<Vec<TaskSummary>, Problem> {
        self.list_open_tasks().await
    }

    /// Publishes the queue's current state. A database error is logged and nothing is published.
    pub async fn publish_queue(&self) {
        if let Ok(queue) = self.get_queue().await {
            self.publish(Event::QueueUpdated(queue));
        }
    }

    /// Removes files of exports that no server knows any more.
    pub async fn remove_forgotten_exports(&self) {
        self.exports.remove_forgotten().await;
    }

    fn media(&self) -> &Arc<Media> {
        self.engine.media()
    }

    fn publish(&self, event: Event) {
        self.events.announce(event);
    }

    /// Runs a change in a task of its own, so that it completes even if the caller is dropped. When a client disconnects,
    /// its request is dropped at whichever await it has reached, which may be between the rows and their events.
    async fn to_completion<T, F>(&self, change: impl FnOnce(Self) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        match tokio::spawn(change(self.clone()).in_current_span()).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a change panicked before it was complete");
                Err(Problem::Internal)
            }
        }
    }
}
