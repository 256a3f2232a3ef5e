//! Loading a model for a task, and making room for it.

use super::{
    Loaded, ModelOptions, Models, NoPipeline, Offer,
    kept::Kept,
    memory::{Footprint, Verdict},
    shares::Shares,
};
use checkpoint::Part;
use protocol::Parameters;
use sdxl::{DeviceKind, LoadOptions, Pipeline};
use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How often a load that waits for a model in use looks again.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);

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
    /// Loads the model of this name, if it is not loaded. Concurrent callers wait for the same load. If there is no room
    /// for it, unloads the model that was not used for the longest time, but none that is in use: waits for these.
    ///
    /// # Errors
    /// An unknown model, a checkpoint that does not fit, a device that fails.
    pub fn pipeline(&self, name: &str) -> Result<Arc<Pipeline>, NoPipeline> {
        self.load(name, |_, _| Ok(()), &Unwatched)
    }

    /// As [`Models::pipeline`], with a check of the memory for this picture before anything is loaded. Fails if the picture
    /// cannot fit; warns if it may not fit.
    pub(crate) fn pipeline_for(&self, of: &Parameters, watch: &dyn Watch) -> Result<Arc<Pipeline>, NoPipeline> {
        let admit = |footprint: &Footprint, others| match footprint.judge(of, others) {
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
        admit: impl Fn(&Footprint, u64) -> Result<(), NoPipeline>,
        watch: &dyn Watch,
    ) -> Result<Arc<Pipeline>, NoPipeline> {
        let offer = loop {
            // Read first: what is offered before it becomes true is then seen.
            let is_complete = self.is_complete();
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
            let others = self.weights_bytes(Some(name));
            loaded.footprint.as_ref().map_or(Ok(()), |footprint| admit(footprint, others))?;
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
                let most = self.in_memory.load(Ordering::Relaxed);
                if self.unload_until(|kept| kept.len() < most) {
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

    /// Sets the maximum number of models in memory, unless [`ModelOptions::in_memory`] does. Unloads the models beyond it,
    /// except those in use: these make room when another model is loaded.
    pub fn set_in_memory(&self, most: NonZeroUsize) {
        if self.options.in_memory.is_none() {
            self.in_memory.store(most.get(), Ordering::Relaxed);
            self.unload_until(|kept| kept.len() <= most.get());
        }
    }

    /// Unloads models, the one first that was not used for the longest time, until `is_enough`. False if it is not enough and
    /// those that are left are in use.
    fn unload_until(&self, is_enough: impl Fn(&Kept<Loaded>) -> bool) -> bool {
        let mut kept = self.kept();
        let is_free = |loaded: &Arc<Loaded>| Arc::strong_count(loaded) == 1 && Arc::strong_count(&loaded.pipeline) == 1;
        while !is_enough(&kept) {
            if !kept.remove_oldest(is_free) {
                return false;
            }
        }
        true
    }

    /// Memory of the weights of all models in memory except one, bytes.
    fn weights_bytes(&self, except: Option<&str>) -> u64 {
        weights_bytes(&self.kept(), except)
    }

    /// Waits until this model's picture of its recommended size fits into the memory beside the weights of the other models, or
    /// there is no other model. Unloads those that are not in use.
    fn make_room(&self, offer: &Offer, new: &Footprint, watch: &dyn Watch) -> Result<(), NoPipeline> {
        let is_room = |kept: &Kept<Loaded>| {
            kept.len() == 0 || new.fits_beside(&offer.recommended, weights_bytes(kept, Some(&offer.name)))
        };
        while !self.unload_until(is_room) {
            if watch.is_over() {
                return Err(NoPipeline::over());
            }
            std::thread::sleep(ROOM_INTERVAL);
        }
        Ok(())
    }

    fn load_now(
        &self,
        offer: &Offer,
        admit: impl Fn(&Footprint, u64) -> Result<(), NoPipeline>,
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
        if let Some(footprint) = &footprint {
            self.make_room(offer, footprint, watch)?;
            admit(footprint, self.weights_bytes(Some(name)))?;
        }
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
}

/// Memory of the weights of all these models except one, bytes.
fn weights_bytes(kept: &Kept<Loaded>, except: Option<&str>) -> u64 {
    let others = kept.iter().filter(|(name, _)| Some(*name) != except);
    others.filter_map(|(_, loaded)| Some(loaded.footprint.as_ref()?.weights())).fold(0, u64::saturating_add)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::retry;
    use protocol::Recommended;
    use sdxl::{Compute, DeviceChoice};
    use std::{error::Error, io, path::PathBuf};

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
    fn a_load_that_may_work_later_is_distinguished_from_one_that_will_not() {
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
}
