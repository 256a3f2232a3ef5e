//! The available models, of which one at a time is loaded.

mod limits;
mod memory;

use crate::retry;
use checkpoint::Checkpoint;
use memory::{Footprint, Verdict};
use protocol::{Model, Parameters, Recommended, RefusedModel};
use sdxl::{Compute, DeviceKind, LoadOptions, Pipeline, Precision};
use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Opens a checkpoint. Called for each load, because the file may have been replaced.
type Open = Box<dyn Fn() -> Result<Checkpoint, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// An available model.
pub struct Offer {
    /// Name, as stored in tasks.
    pub name: String,
    /// Title for users.
    pub title: String,
    /// Recommended settings.
    pub recommended: Recommended,
    /// Requests of its checkpoint that are not followed, for users.
    pub notes: Vec<String>,
    /// Whether it has a TAESD.
    pub has_taesd: bool,
    /// Example prompts.
    pub examples: Vec<String>,
    /// Opens the checkpoint. An I/O error among the causes of its error decides whether loading is retried.
    pub open: Open,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Options for all models: replaced parts and number type.
#[derive(Debug, Default)]
pub struct ModelOptions {
    /// Replaces the VAE.
    pub vae: Option<Checkpoint>,
    /// Replaces the TAESD.
    pub taesd: Option<Checkpoint>,
    /// Number type; by default the best one for the device.
    pub precision: Option<Precision>,
}

/// The available models, of which one at a time is loaded.
#[derive(Debug)]
pub struct Models {
    offers: Vec<Offer>,
    refused: Vec<RefusedModel>,
    options: ModelOptions,
    compute: Compute,
    loaded: Mutex<Option<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    name: String,
    pipeline: Arc<Pipeline>,
    /// None on a GPU, whose free memory is unknown.
    footprint: Option<Footprint>,
}

/// Why a model could not be loaded, in words for users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NoPipeline {
    message: String,
    /// What a retry has to wait for, if the error is temporary.
    pub(crate) waits_for: Option<&'static str>,
}

impl NoPipeline {
    fn new(message: String) -> Self {
        Self { message, waits_for: None }
    }

    fn because(name: &str, error: &(dyn Error + 'static)) -> Self {
        let message = format!("the model {name} cannot be loaded: {}", with_causes(error));
        Self { message, waits_for: retry::cause_waits_for(error) }
    }
}

/// An error and its causes in one line. Skips causes whose text is included already.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}

impl Models {
    /// `offers` are the available models, the default first; `refused` are the models that were found but cannot be used.
    /// Loads none.
    pub fn new(offers: Vec<Offer>, refused: Vec<RefusedModel>, options: ModelOptions, compute: Compute) -> Self {
        Self { offers, refused, options, compute, loaded: Mutex::new(None) }
    }

    /// The device.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The available models, the default first.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// The models for clients.
    pub fn list(&self) -> Vec<Model> {
        let loaded = self.loaded.try_lock().ok().and_then(|loaded| loaded.as_ref().map(|it| it.name.clone()));
        let taesd = self.options.taesd.is_some();
        let model = |(place, offer): (usize, &Offer)| Model {
            name: offer.name.clone(),
            title: offer.title.clone(),
            recommended: offer.recommended.clone(),
            has_taesd: taesd || offer.has_taesd,
            examples: offer.examples.clone(),
            loaded: loaded.as_deref() == Some(offer.name.as_str()),
            notes: offer.notes.clone(),
            refused: if place == 0 { self.refused.clone() } else { Vec::new() },
        };
        self.offers.iter().enumerate().map(model).collect()
    }

    /// Loads the model of this name, if it is not loaded. Concurrent callers wait for the same load. Unloads another model
    /// first, because two rarely fit into memory.
    ///
    /// # Errors
    /// An unknown model, a checkpoint that does not fit, a device that fails.
    pub fn pipeline(&self, name: &str) -> Result<Arc<Pipeline>, NoPipeline> {
        self.load(name, |_| Ok(()))
    }

    /// As [`Models::pipeline`], with a check of the memory for this picture before anything is loaded. Fails if the picture
    /// cannot fit; calls `warn` if it may not fit.
    pub(crate) fn pipeline_for(&self, of: &Parameters, warn: impl Fn(String)) -> Result<Arc<Pipeline>, NoPipeline> {
        self.load(&of.model, |footprint| match footprint.judge(of) {
            Verdict::Fits => Ok(()),
            Verdict::Tight(why) => {
                warn(why);
                Ok(())
            }
            Verdict::TooLarge(why) => Err(NoPipeline::new(why)),
        })
    }

    fn load(
        &self,
        name: &str,
        admit: impl Fn(&Footprint) -> Result<(), NoPipeline>,
    ) -> Result<Arc<Pipeline>, NoPipeline> {
        let offer = self.offers.iter().find(|offer| offer.name == name);
        let offer = offer.ok_or_else(|| NoPipeline::new(format!("there is no model {name:?} here any more")))?;
        // A load that panicked changed nothing, so a poisoned lock is fine.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = loaded.as_ref().filter(|it| it.name == name) {
            it.footprint.as_ref().map_or(Ok(()), &admit)?;
            return Ok(Arc::clone(&it.pipeline));
        }
        *loaded = None;
        let started = Instant::now();
        let checkpoint = (offer.open)().map_err(|error| NoPipeline::because(name, &*error))?;
        let ModelOptions { vae, taesd, .. } = &self.options;
        let footprint = match self.compute.info.kind {
            DeviceKind::Cpu => Footprint::new(&checkpoint, vae.as_ref(), taesd.as_ref()),
            DeviceKind::Gpu | DeviceKind::SoftwareGpu => None,
        };
        footprint.as_ref().map_or(Ok(()), &admit)?;
        let options = LoadOptions {
            precision: self.options.precision,
            vae: self.options.vae.as_ref(),
            taesd: self.options.taesd.as_ref(),
            ..LoadOptions::default()
        };
        let pipeline = Pipeline::load(&checkpoint, &self.compute, options);
        let pipeline = pipeline.map_err(|error| NoPipeline::because(name, &error))?;
        let pipeline = Arc::new(pipeline);
        tracing::info!(model = name, seconds = started.elapsed().as_secs_f64(), "model loaded");
        *loaded = Some(Loaded { name: name.to_owned(), pipeline: Arc::clone(&pipeline), footprint });
        Ok(pipeline)
    }

    /// Unloads the loaded model, so that the next task loads it again. Used after its device failed.
    pub(crate) fn unload(&self) {
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use sdxl::DeviceChoice;
    use std::io;

    fn why(error: impl Fn() -> Box<dyn Error + Send + Sync> + Send + Sync + 'static) -> NoPipeline {
        let offer = Offer {
            name: "model".into(),
            title: String::new(),
            recommended: Recommended::default(),
            notes: Vec::new(),
            has_taesd: false,
            examples: Vec::new(),
            open: Box::new(move || Err(error())),
        };
        let compute = Compute::open(DeviceChoice::Cpu).expect("a processor");
        Models::new(vec![offer], Vec::new(), ModelOptions::default(), compute)
            .pipeline("model")
            .expect_err("it does not open")
    }

    #[test]
    fn a_load_that_may_work_later_is_told_from_one_that_will_not() {
        let path = std::path::PathBuf::from("model.safetensors");
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
}
