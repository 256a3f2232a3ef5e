//! The networks of a pipeline with LoRA files.

use super::Pipeline;
use crate::{
    Error, Loader, LoraUse, TextEncoders, Unet,
    lora::{NetworksKey, SetPlan, adapt, estimated_bytes},
};
use checkpoint::Part;
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

/// The text encoders and the UNet of a pipeline, with a set of LoRA files or without any. Layers that no file changes are
/// shared with all other sets. A set never changes, so concurrent generations can use different ones.
#[derive(Debug)]
pub struct Networks {
    text: RwLock<Option<Arc<TextEncoders>>>,
    unet: Arc<Unet>,
    key: NetworksKey,
    bytes: u64,
}

impl Networks {
    /// The networks of the checkpoint.
    pub(super) fn base(text: Option<Arc<TextEncoders>>, unet: Arc<Unet>) -> Self {
        Self { text: RwLock::new(text), unet, key: NetworksKey::default(), bytes: 0 }
    }

    /// The denoising network.
    pub fn unet(&self) -> &Unet {
        &self.unet
    }

    /// Memory in bytes that the set takes in addition to the checkpoint's.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The text encoders, unless they are not loaded or were dropped.
    pub(super) fn text(&self) -> Option<Arc<TextEncoders>> {
        self.text.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn drop_text(&self) {
        *self.text.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn key(&self) -> &NetworksKey {
        &self.key
    }
}

impl Pipeline {
    /// The networks with these LoRA files, for [`Pipeline::generate_with`]. The effects of the files add up; their order does
    /// not matter. A weight of 0 leaves its part unchanged, and without any effect the result is the base.
    ///
    /// A set that is in use, or was used recently, is returned again at once. Otherwise its tensors are read and its layers
    /// are made, one set at a time.
    ///
    /// # Errors
    /// A file that is not a LoRA of this model or cannot be read, two files with DoRA for the same layer, or a device failure.
    pub fn networks(&self, loras: &[LoraUse]) -> Result<Arc<Networks>, Error> {
        let (key, uses) = NetworksKey::of(loras);
        if key.is_base() {
            return Ok(self.base.clone());
        }
        if let Some(found) = self.sets.get(&key) {
            return Ok(found);
        }
        let _building = self.sets.build();
        // Another thread may have built it in the meantime.
        if let Some(found) = self.sets.get(&key) {
            return Ok(found);
        }
        self.sets.make_room();
        let made = Arc::new(self.adapted(key, &uses)?);
        self.sets.add(&made);
        Ok(made)
    }

    /// The memory in bytes that [`Pipeline::networks`] would take in addition, from the sizes of tensors. 0 for a set that
    /// exists.
    ///
    /// # Errors
    /// A file that is not a LoRA of this model.
    pub fn networks_bytes(&self, loras: &[LoraUse]) -> Result<u64, Error> {
        let (key, uses) = NetworksKey::of(loras);
        if key.is_base() || self.sets.get(&key).is_some() {
            return Ok(0);
        }
        let plan = SetPlan::new(&uses, |file| file.plan_for(&self.shapes))?;
        let unet = estimated_bytes(&self.unet_layers, &plan.changes(Part::Unet));
        Ok(unet + self.base.text().map_or(0, |text| text.adapted_bytes(&plan)))
    }

    fn adapted(&self, key: NetworksKey, uses: &[LoraUse]) -> Result<Networks, Error> {
        let started = Instant::now();
        let plan = SetPlan::new(uses, |file| file.plan_for(&self.shapes))?;
        let text = self.base.text();
        let ((text, text_bytes), (unet, unet_bytes)) = self.compute.run(|| {
            let text = match text {
                Some(text) => text.adapted(&plan, self.precision)?,
                None => (None, 0),
            };
            Ok::<_, Error>((text, self.adapted_unet(&plan)?))
        })?;
        self.compute.sync("applying LoRA files")?;
        let bytes = text_bytes + unet_bytes;
        tracing::info!(files = uses.len(), bytes, seconds = started.elapsed().as_secs_f64(), "LoRA files applied");
        Ok(Networks { text: RwLock::new(text), unet, key, bytes })
    }

    fn adapted_unet(&self, plan: &SetPlan<'_>) -> Result<(Arc<Unet>, u64), Error> {
        let changes = plan.changes(Part::Unet);
        if changes.is_empty() {
            return Ok((self.base.unet.clone(), 0));
        }
        let device = &self.compute.device;
        let adapted = adapt(&self.unet_layers, &changes, device)?;
        let mut layers = self.unet_layers.clone();
        layers.extend(adapted.layers);
        let (config, dtype) = (self.base.unet.config(), self.base.unet.dtype());
        let mut loader = Loader::of_layers(Part::Unet.folder(), &layers, device, dtype);
        let unet = Unet::load(loader.root(), config, dtype)?;
        Ok((Arc::new(unet), adapted.bytes))
    }
}
