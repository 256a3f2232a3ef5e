//! The library's checkpoints, offered to the engine beside the models of `--model`.

use crate::LocalStudio;
use ::library::{CheckpointFacts, Entry, Library};
use checkpoint::{Checkpoint, OpenOptions};
use engine::{Engine, Offer};
use protocol::LibraryKind;
use std::sync::Arc;
use store::{Store, TaskFilter};

/// The models of `--model`, and how those of the library are opened.
#[derive(Clone, Debug)]
pub struct BaseOffers {
    /// The models of `--model`.
    pub offers: Arc<Vec<Arc<Offer>>>,
    /// Whether `--model` was given: then its first model is the default.
    pub is_chosen: bool,
    /// How checkpoints are opened.
    pub open: OpenOptions,
}

/// Offers the engine its models.
#[derive(Clone, Debug)]
pub struct Offering {
    /// The database.
    pub store: Store,
    /// Gets the models.
    pub engine: Engine,
    /// The library.
    pub library: Library,
    /// The models of `--model`.
    pub base: BaseOffers,
}

impl LocalStudio {
    /// See [`Offering::offer_models`].
    pub(super) async fn offer_models(&self) {
        let (store, engine) = (self.store.clone(), self.engine.clone());
        Offering { store, engine, library: self.library.clone(), base: self.base.clone() }.offer_models().await;
    }
}

impl Offering {
    /// Offers the models of `--model` and the library's. If no `--model` was given, the default is the model of the newest
    /// task, otherwise the library's first, otherwise the model inside the program.
    pub async fn offer_models(&self) {
        // Read first: a list read after the scan has ended is complete.
        let scanning = self.library.status().scanning;
        let (shelf, base) = (self.library.shelf(), &self.base);
        let mut offers: Vec<Arc<Offer>> = base.offers.to_vec();
        let is_taken = |name: &str| base.offers.iter().any(|offer| offer.name == name);
        let of_kind = shelf.of_kind(LibraryKind::Checkpoint);
        let usable = of_kind.filter(|entry| entry.item.problem.is_none() && !is_taken(&entry.item.name));
        let from_library = usable.filter_map(|entry| Some(Arc::new(self.offer(entry, entry.checkpoint.as_ref()?))));
        match base.is_chosen {
            true => offers.extend(from_library),
            false => {
                offers = from_library.chain(offers).collect();
                if let Some(place) = self.last_used(&offers).await {
                    offers[..=place].rotate_right(1);
                }
            }
        }
        self.engine.models().set_offers(offers);
        self.engine.models().set_complete(!scanning);
    }

    /// The place of the model of the newest task.
    async fn last_used(&self, offers: &[Arc<Offer>]) -> Option<usize> {
        let newest = self.store.list_tasks(TaskFilter::default(), None, 1).await.ok()?;
        let name = &newest.first()?.parameters.model;
        offers.iter().position(|offer| offer.name == *name)
    }

    fn offer(&self, entry: &Entry, facts: &CheckpointFacts) -> Offer {
        let (path, options) = (entry.path.clone(), self.base.open.clone());
        Offer {
            name: entry.item.name.clone(),
            title: entry.item.title.clone().unwrap_or_else(|| entry.item.name.clone()),
            recommended: facts.recommended.clone(),
            notes: facts.notes.clone(),
            has_taesd: facts.has_taesd,
            examples: Vec::new(),
            library_id: Some(entry.item.id.clone()),
            version: format!("{:x}-{:x}", entry.item.modified_ms, entry.item.bytes),
            open: Box::new(move || Checkpoint::open_with(&path, &options).map_err(Into::into)),
        }
    }
}
