//! The available models, and those that are in memory.

mod error;
mod kept;
mod limits;
mod memory;
mod offer;

pub use error::NoPipeline;
pub use memory::memory_bytes;
pub use offer::Offer;

use checkpoint::{Checkpoint, Part};
use kept::Kept;
use memory::{Footprint, Verdict};
use protocol::{Lora, Model, Parameters, RefusedModel};
use sdxl::{Compute, DeviceKind, LoadOptions, Pipeline, Precision};
use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How often a load that waits for a model in use looks again.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);

/// Options for all models: replaced parts, number type, and how many stay in memory.
#[derive(Debug)]
pub struct ModelOptions {
    /// Replaces the VAE.
    pub vae: Option<Checkpoint>,
    /// Replaces the TAESD.
    pub taesd: Option<Checkpoint>,
    /// Number type; by default the best one for the device.
    pub precision: Option<Precision>,
    /// Maximum number of models in memory.
    pub in_memory: NonZeroUsize,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { vae: None, taesd: None, precision: None, in_memory: NonZeroUsize::MIN }
    }
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
}

/// Watches the loading of a model for a task.
pub(crate) trait Watch {
    /// Share of the weights that is loaded, 0 to 100.
    fn loaded(&self, percent: u8);
    /// The picture may not fit into memory.
    fn warn(&self, why: String);
    /// Whether the load should be given up while it waits for room.
    fn is_over(&self) -> bool;
}

/// Watches nothing.
struct Unwatched;

impl Watch for Unwatched {
    fn loaded(&self, _: u8) {}

    fn warn(&self, _: String) {}

    fn is_over(&self) -> bool {
        false
    }
}

impl Models {
    /// `offers` are the available models, the default first; `refused` are the models that were found but cannot be used.
    /// Loads none.
    pub fn new(offers: Vec<Offer>, refused: Vec<RefusedModel>, options: ModelOptions, compute: Compute) -> Self {
        let offers = RwLock::new(Arc::new(offers.into_iter().map(Arc::new).collect()));
        Self {
            offers,
            refused,
            options,
            compute,
            is_complete: AtomicBool::new(true),
            loras: OnceLock::new(),
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
        };
        self.offers().iter().enumerate().map(model).collect()
    }

    /// Loads the model of this name, if it is not loaded. Concurrent callers wait for the same load. If there is no room
    /// for it, unloads the model that was not used for the longest time, but none that is in use: waits for these.
    ///
    /// # Errors
    /// An unknown model, a checkpoint that does not fit, a device that fails.
    pub fn pipeline(&self, name: &str) -> Result<Arc<Pipeline>, NoPipeline> {
        self.load(name, |_| Ok(()), &Unwatched)
    }

    /// As [`Models::pipeline`], with a check of the memory for this picture before anything is loaded. Fails if the picture
    /// cannot fit; warns if it may not fit.
    pub(crate) fn pipeline_for(&self, of: &Parameters, watch: &dyn Watch) -> Result<Arc<Pipeline>, NoPipeline> {
        let admit = |footprint: &Footprint| match footprint.judge(of) {
            Verdict::Fits => Ok(()),
            Verdict::Tight(why) => {
                watch.warn(why);
                Ok(())
            }
            Verdict::TooLarge(why) => Err(NoPipeline::new(why)),
        };
        self.load(&of.model, admit, watch)
    }

    fn load(
        &self,
        name: &str,
        admit: impl Fn(&Footprint) -> Result<(), NoPipeline>,
        watch: &dyn Watch,
    ) -> Result<Arc<Pipeline>, NoPipeline> {
        let offer = loop {
            // Read first: what is offered before it becomes true is then seen.
            let is_complete = self.is_complete.load(Ordering::Acquire);
            match self.offer(name) {
                Some(offer) => break offer,
                None if is_complete => {
                    return Err(NoPipeline::new(format!("there is no model {name:?} here any more")));
                }
                None if watch.is_over() => return Err(NoPipeline::over()),
                None => std::thread::sleep(ROOM_INTERVAL),
            }
        };
        let admitted = |loaded: Arc<Loaded>| {
            loaded.footprint.as_ref().map_or(Ok(()), &admit)?;
            Ok(Arc::clone(&loaded.pipeline))
        };
        let _loading = loop {
            if let Some(loaded) = self.kept_version(&offer) {
                return admitted(loaded);
            }
            let turn = match self.loading.try_lock() {
                Ok(turn) => Some(turn),
                // A load that panicked changed nothing.
                Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => None,
            };
            if let Some(turn) = turn {
                // Loaded by another thread since the look above.
                if let Some(loaded) = self.kept_version(&offer) {
                    return admitted(loaded);
                }
                if self.make_room() {
                    break turn;
                }
            }
            if watch.is_over() {
                return Err(NoPipeline::over());
            }
            std::thread::sleep(ROOM_INTERVAL);
        };
        let loaded = Arc::new(self.load_now(&offer, admit, watch)?);
        self.kept().put(offer.name.clone(), Arc::clone(&loaded));
        Ok(Arc::clone(&loaded.pipeline))
    }

    /// The loaded model, unless its file was replaced since.
    fn kept_version(&self, offer: &Offer) -> Option<Arc<Loaded>> {
        let mut kept = self.kept();
        let loaded = kept.get(&offer.name)?;
        if loaded.version == offer.version {
            return Some(loaded);
        }
        kept.remove(&offer.name);
        None
    }

    /// Unloads models until there is room for one more. False if those that are left are in use.
    fn make_room(&self) -> bool {
        let mut kept = self.kept();
        let is_free = |loaded: &Arc<Loaded>| Arc::strong_count(loaded) == 1 && Arc::strong_count(&loaded.pipeline) == 1;
        while kept.len() >= self.options.in_memory.get() {
            if !kept.remove_oldest(is_free) {
                return false;
            }
        }
        true
    }

    fn load_now(
        &self,
        offer: &Offer,
        admit: impl Fn(&Footprint) -> Result<(), NoPipeline>,
        watch: &dyn Watch,
    ) -> Result<Loaded, NoPipeline> {
        let (name, started) = (&offer.name, Instant::now());
        watch.loaded(0);
        let checkpoint = (offer.open)().map_err(|error| NoPipeline::because(name, &*error))?;
        let ModelOptions { vae, taesd, precision, .. } = &self.options;
        let footprint = match self.compute.info.kind {
            DeviceKind::Cpu => Footprint::new(&checkpoint, vae.as_ref(), taesd.as_ref()),
            DeviceKind::Gpu | DeviceKind::SoftwareGpu => None,
        };
        footprint.as_ref().map_or(Ok(()), admit)?;
        let shares = Shares::new(&checkpoint);
        let mut progress = |part: Part, done: usize, total: usize| watch.loaded(shares.percent(part, done, total));
        let options = LoadOptions {
            precision: *precision,
            vae: vae.as_ref(),
            taesd: taesd.as_ref(),
            progress: Some(&mut progress),
            ..LoadOptions::default()
        };
        let pipeline = Pipeline::load(&checkpoint, &self.compute, options);
        let pipeline = Arc::new(pipeline.map_err(|error| NoPipeline::because(name, &error))?);
        tracing::info!(model = name, seconds = started.elapsed().as_secs_f64(), "model loaded");
        Ok(Loaded { version: offer.version.clone(), pipeline, footprint })
    }

    /// Unloads all models, so that the next task loads its own again. Used after their device failed.
    pub(crate) fn unload(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept<Loaded>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of each part of a checkpoint, for a progress bar. Parts are loaded in this order.
struct Shares(Vec<(Part, u64)>);

impl Shares {
    fn new(checkpoint: &Checkpoint) -> Self {
        let bytes = |part| checkpoint.plan(part).map_or(0, |plan| plan.source_bytes());
        Self(Part::ALL.into_iter().map(|part| (part, bytes(part))).collect())
    }

    /// Share of all bytes that is loaded once `done` of the `total` tensors of `part` are, 0 to 100.
    fn percent(&self, part: Part, done: usize, total: usize) -> u8 {
        let all: u64 = self.0.iter().map(|(_, bytes)| bytes).sum();
        let before: u64 = self.0.iter().take_while(|(known, _)| *known != part).map(|(_, bytes)| bytes).sum();
        let own = self.0.iter().find(|(known, _)| *known == part).map_or(0, |(_, bytes)| *bytes);
        let read = before as f64 + own as f64 * (done as f64 / total.max(1) as f64);
        (read / all.max(1) as f64 * 100.0).clamp(0.0, 100.0) as u8
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::retry;
    use protocol::Recommended;
    use sdxl::DeviceChoice;
    use std::error::Error;
    use std::io;

    fn why(error: impl Fn() -> Box<dyn Error + Send + Sync> + Send + Sync + 'static) -> NoPipeline {
        let offer = Offer {
            name: "model".into(),
            title: String::new(),
            recommended: Recommended::default(),
            notes: Vec::new(),
            has_taesd: false,
            examples: Vec::new(),
            library_id: None,
            version: String::new(),
            open: Box::new(move || Err(error())),
        };
        let compute = Compute::open(DeviceChoice::Cpu).expect("a processor");
        Models::new(vec![offer], Vec::new(), ModelOptions::default(), compute)
            .pipeline("model")
            .expect_err("it does not open")
    }

    #[test]
    fn a_load_that_may_work_later_is_told_from_one_that_will_not() {
        let path = PathBuf::from("model.safetensors");
        let of = |number: i32| {
            let path = path.clone();
            why(move || {
                let source = io::Error::from_raw_os_error(number);
                Box::new(checkpoint::Error::Io { path: path.clone(), source })
            })
        };
        // EMFILE, ENOMEM and EIO are temporary; ENOENT, EACCES and an invalid file are not.
        assert_eq!(of(24).waits_for, Some("too many files are open"));
        assert_eq!(of(12).waits_for, Some("the machine is out of memory"));
        assert_eq!(of(5).waits_for, Some(retry::DISK_ERRORS));
        assert_eq!((of(2).waits_for, of(13).waits_for), (None, None));
        assert_eq!(
            of(2).to_string(),
            "the model model cannot be loaded: model.safetensors: No such file or directory (os error 2)"
        );
        assert_eq!(why(|| "it is no checkpoint".into()).waits_for, None);
    }

    #[test]
    fn a_progress_bar_counts_bytes_and_never_goes_back() {
        let shares = Shares(vec![(Part::TextEncoder, 100), (Part::Unet, 800), (Part::Vae, 100)]);
        let at = |part, done| shares.percent(part, done, 4);
        let all = [Part::TextEncoder, Part::Unet, Part::Vae].map(|part| [0, 1, 2, 3, 4].map(|done| at(part, done)));
        assert_eq!(all, [[0, 2, 5, 7, 10], [10, 30, 50, 70, 90], [90, 92, 95, 97, 100]]);
        assert_eq!(Shares(Vec::new()).percent(Part::Unet, 1, 0), 0);
    }
}
