//! The models that can be chosen, and the one that is loaded.

use checkpoint::Checkpoint;
use protocol::{Model, Recommended};
use sdxl::{Compute, LoadOptions, Pipeline, Precision};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Opens a checkpoint, anew each time: its file may have been replaced meanwhile.
type Open = Box<dyn Fn() -> Result<Checkpoint, String> + Send + Sync>;

/// A model that can be chosen.
pub struct Offer {
    /// Its name, as tasks record it.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it draws best at.
    pub recommended: Recommended,
    /// Whether it has a TAESD.
    pub has_taesd: bool,
    /// Prompts that show what it can do.
    pub examples: Vec<String>,
    /// Opens it; the error is in words for people.
    pub open: Open,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Parts that replace every model's own, and how numbers are kept.
#[derive(Debug, Default)]
pub struct ModelOptions {
    /// Takes the VAE from here.
    pub vae: Option<Checkpoint>,
    /// Takes the TAESD from here.
    pub taesd: Option<Checkpoint>,
    /// The number type; by default what the device does best.
    pub precision: Option<Precision>,
}

/// The models on offer, of which one at a time is kept loaded.
#[derive(Debug)]
pub struct Models {
    offers: Vec<Offer>,
    options: ModelOptions,
    compute: Compute,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    name: String,
    pipeline: Arc<Pipeline>,
}

/// Why there is no pipeline, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPipeline(pub String);

impl Models {
    /// The models on offer, the default first; none is loaded yet.
    pub fn new(offers: Vec<Offer>, options: ModelOptions, compute: Compute) -> Self {
        Self { offers, options, compute, loaded: Mutex::new(None) }
    }

    /// The device.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The offers, the default first.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// As clients see them.
    pub fn list(&self) -> Vec<Model> {
        let loaded = self.loaded.try_lock().ok().and_then(|loaded| loaded.as_ref().map(|it| it.name.clone()));
        let taesd = self.options.taesd.is_some();
        let model = |offer: &Offer| Model {
            name: offer.name.clone(),
            title: offer.title.clone(),
            recommended: offer.recommended.clone(),
            has_taesd: taesd || offer.has_taesd,
            examples: offer.examples.clone(),
            loaded: loaded.as_deref() == Some(offer.name.as_str()),
        };
        self.offers.iter().map(model).collect()
    }

    /// The model of that name, loaded. Whoever asks meanwhile waits for the same load. Another model that was
    /// loaded is let go of first: two at once rarely fit.
    ///
    /// # Errors
    /// No such model, a checkpoint that does not fit, a device that fails.
    pub fn pipeline(&self, name: &str) -> Result<Arc<Pipeline>, NoPipeline> {
        let offer = self.offers.iter().find(|offer| offer.name == name);
        let offer = offer.ok_or_else(|| NoPipeline(format!("there is no model {name:?} here any more")))?;
        // A load that panicked left nothing behind.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = loaded.as_ref().filter(|it| it.name == name) {
            return Ok(Arc::clone(&it.pipeline));
        }
        *loaded = None;
        let started = Instant::now();
        let failed = |why: String| NoPipeline(format!("the model {name} cannot be loaded: {why}"));
        let checkpoint = (offer.open)().map_err(failed)?;
        let options = LoadOptions {
            precision: self.options.precision,
            vae: self.options.vae.as_ref(),
            taesd: self.options.taesd.as_ref(),
            ..LoadOptions::default()
        };
        let pipeline =
            Pipeline::load(&checkpoint, &self.compute, options).map_err(|error| failed(error.to_string()))?;
        let pipeline = Arc::new(pipeline);
        tracing::info!(model = name, seconds = started.elapsed().as_secs_f64(), "model loaded");
        *loaded = Some(Loaded { name: name.to_owned(), pipeline: Arc::clone(&pipeline) });
        Ok(pipeline)
    }

    /// Lets the loaded model go: after its device failed, the next task loads it anew.
    pub(crate) fn forget(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
