//! The available models, and those that are in memory.

mod error;
mod fingerprint;
mod kept;
mod limits;
mod load;
mod memory;
mod offer;
mod shares;

pub use error::NoPipeline;
pub(crate) use fingerprint::Fingerprints;
pub(crate) use load::Watch;
pub use memory::memory_bytes;
pub use offer::Offer;

use checkpoint::Checkpoint;
use kept::Kept;
use memory::Footprint;
use protocol::{Lora, Model, RefusedModel};
use sdxl::{Compute, Pipeline, Precision};
use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use store::{NeededFile, OwnFiles};

/// Options for all models: replaced parts, number type, and how many stay in memory.
#[derive(Debug, Default)]
pub struct ModelOptions {
    /// Replaces the VAE.
    pub vae: Option<Checkpoint>,
    /// Replaces the TAESD.
    pub taesd: Option<Checkpoint>,
    /// Number type; by default the best one for the device.
    pub precision: Option<Precision>,
    /// Maximum number of models in memory; `None` if [`Models::set_in_memory`] decides.
    pub in_memory: Option<NonZeroUsize>,
}

/// The available models, and those that are in memory.
#[derive(Debug)]
pub struct Models {
    offers: RwLock<Arc<Vec<Arc<Offer>>>>,
    refused: Vec<RefusedModel>,
    options: ModelOptions,
    compute: Compute,
    /// False until the library is scanned: a model that is not offered may still come.
    is_complete: AtomicBool,
    loras: OnceLock<Arc<dyn LoraFiles>>,
    in_memory: AtomicUsize,
    /// Locked for moments only.
    kept: Mutex<Kept<Loaded>>,
    /// Locked while a model is loaded: one at a time.
    loading: Mutex<()>,
}

#[derive(Debug)]
struct Loaded {
    version: String,
    pipeline: Arc<Pipeline>,
    /// None on a GPU, whose free memory is unknown.
    footprint: Option<Footprint>,
}

/// Finds the LoRA files and embeddings of tasks.
pub trait LoraFiles: Send + Sync + fmt::Debug {
    /// The path of a task's LoRA file.
    ///
    /// # Errors
    /// The file is not there, or it is another than that of the task. The reason is for users.
    fn path(&self, lora: &Lora) -> Result<PathBuf, String>;

    /// The paths of the embeddings whose names occur in a text.
    fn embeddings_in(&self, text: &str) -> Vec<PathBuf>;

    /// The embeddings whose names occur in a text, of those that are known now. Does not wait for the folders to be scanned.
    fn embeddings_named(&self, text: &str) -> Vec<NeededFile>;

    /// The usable LoRA files and embeddings that are known now.
    fn files(&self) -> OwnFiles;
}

impl Models {
    /// `offers` are the available models, the default first; `refused` are the models that were found but cannot be used.
    /// Loads none.
    pub fn new(offers: Vec<Offer>, refused: Vec<RefusedModel>, options: ModelOptions, compute: Compute) -> Self {
        let offers = RwLock::new(Arc::new(offers.into_iter().map(Arc::new).collect()));
        let in_memory = AtomicUsize::new(options.in_memory.unwrap_or(NonZeroUsize::MIN).get());
        Self {
            offers,
            refused,
            options,
            compute,
            is_complete: AtomicBool::new(true),
            loras: OnceLock::new(),
            in_memory,
            kept: Mutex::default(),
            loading: Mutex::default(),
        }
    }

    /// The device.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The available models, the default first.
    pub fn offers(&self) -> Arc<Vec<Arc<Offer>>> {
        Arc::clone(&self.offers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The available model of this name.
    pub fn offer(&self, name: &str) -> Option<Arc<Offer>> {
        self.offers().iter().find(|offer| offer.name == name).cloned()
    }

    /// Replaces the available models. A loaded model that is no longer among them stays in memory until its room is
    /// needed.
    pub fn set_offers(&self, offers: Vec<Arc<Offer>>) {
        *self.offers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(offers);
    }

    /// Whether all models are offered. While they are not, a task whose model is unknown waits for it.
    pub fn set_complete(&self, is_complete: bool) {
        self.is_complete.store(is_complete, Ordering::Release);
    }

    /// Whether all models are offered.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// Sets where LoRA files are found. The first call counts.
    pub fn set_loras(&self, loras: Arc<dyn LoraFiles>) {
        _ = self.loras.set(loras);
    }

    /// The path of a task's LoRA file.
    ///
    /// # Errors
    /// As [`LoraFiles::path`]; also without a library.
    pub(crate) fn lora_path(&self, lora: &Lora) -> Result<PathBuf, String> {
        let loras = self.loras.get();
        loras.map_or_else(|| Err(format!("there is no LoRA \"{}\" here any more", lora.name)), |loras| loras.path(lora))
    }

    /// The paths of the embeddings whose names occur in a text.
    pub(crate) fn embeddings_in(&self, text: &str) -> Vec<PathBuf> {
        self.loras.get().map(|files| files.embeddings_in(text)).unwrap_or_default()
    }

    /// The embeddings whose names occur in a text, of those that are known now.
    pub(crate) fn embeddings_named(&self, text: &str) -> Vec<NeededFile> {
        self.loras.get().map(|files| files.embeddings_named(text)).unwrap_or_default()
    }

    /// The LoRA files and embeddings that are known now.
    pub(crate) fn files(&self) -> OwnFiles {
        self.loras.get().map(|files| files.files()).unwrap_or_default()
    }

    /// Names of the models in memory, the most recently used last.
    pub fn loaded(&self) -> Vec<String> {
        self.kept().iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// The models for clients.
    pub fn list(&self) -> Vec<Model> {
        let loaded = self.loaded();
        let taesd = self.options.taesd.is_some();
        let model = |(place, offer): (usize, &Arc<Offer>)| Model {
            name: offer.name.clone(),
            title: offer.title.clone(),
            recommended: offer.recommended.clone(),
            has_taesd: taesd || offer.has_taesd,
            examples: offer.examples.clone(),
            loaded: loaded.contains(&offer.name),
            notes: offer.notes.clone(),
            refused: if place == 0 { self.refused.clone() } else { Vec::new() },
            workers: Vec::new(),
        };
        self.offers().iter().enumerate().map(model).collect()
    }

    /// Unloads all models, so that the next task loads its own again. Used after their device failed.
    pub(crate) fn unload(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept<Loaded>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
