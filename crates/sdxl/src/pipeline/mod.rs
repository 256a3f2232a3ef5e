//! The pipeline from prompt to picture.

mod fit;
mod load;
mod networks;
mod params;
mod preview;
mod run;
mod sets;
mod timing;

pub use load::LoadOptions;
pub use networks::Networks;
pub use params::{InitImage, Params};
pub use preview::PreviewDecoder;
pub use timing::Timings;

use crate::{
    Compute, Conditioning, Error, HostTensor, Inversion, Layers, Picture, Precision, Taesd, Unet, Vae, turns::Turns,
};
use checkpoint::{Latent2Rgb, Part, Shape};
use diffusion::{ModelSigmas, Observer, Passes, Prediction, SamplerState};
use sets::Sets;
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// A loaded model on a device. Threads share it by reference or `Arc`. Concurrent calls of [`Pipeline::generate`] use
/// the device for one network call at a time in turn, so their steps interleave.
#[derive(Debug)]
pub struct Pipeline {
    compute: Compute,
    precision: Precision,
    /// The networks of the checkpoint, without LoRA files.
    base: Arc<Networks>,
    unet_layers: Layers,
    /// The parts of the checkpoint that LoRA files can change.
    shapes: BTreeMap<Part, Shape>,
    sets: Sets,
    vae: Vae,
    taesd: Option<Taesd>,
    latent2rgb: Latent2Rgb,
    table: ModelSigmas,
    prediction: Prediction,
    passes: Passes,
    turns: Turns,
}

/// How a generation ended.
#[derive(Debug)]
pub enum Generated {
    /// A picture was made.
    Picture(Box<Output>),
    /// The observer paused the generation before a step.
    Paused {
        /// From which [`Pipeline::continue_from_with`] continues it.
        state: Box<SamplerState>,
        /// The noise levels of the whole run.
        sigmas: Vec<f32>,
    },
    /// The observer cancelled the generation.
    Cancelled {
        /// The step in which it was stopped, from 1.
        step: usize,
    },
}

/// Whether all steps ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All steps ran.
    Complete,
    /// The observer stopped the run and kept the estimate.
    Kept {
        /// The step at which it was stopped, from 1.
        step: usize,
    },
}

/// A picture and the data it was made from.
#[derive(Clone, Debug)]
pub struct Output {
    /// The picture.
    pub picture: Picture,
    /// Whether all steps ran.
    pub finish: Finish,
    /// The sampler's result, not divided by the VAE's scaling factor: `[1, 4, h/8, w/8]`.
    pub latents: HostTensor,
    /// The noise levels of the run: `steps + 1` of them, fewer if an initial picture shortens the run.
    pub sigmas: Vec<f32>,
    /// The unit noise before scaling: `[1, 4, h/8, w/8]`. Empty if the generation was continued from a state.
    pub initial_noise: HostTensor,
    /// The encoded prompts.
    pub conditioning: Conditioning,
    /// Times of the stages.
    pub timings: Timings,
}

impl Pipeline {
    /// Generates a picture. `observer` is called exactly once per step with the current estimate.
    ///
    /// # Errors
    /// Parameters out of range (all of them, before anything runs), a device failure, or numbers that are not finite.
    /// Cancellation is not an error: see [`Generated`].
    pub fn generate(&self, params: &Params, observer: &mut dyn Observer) -> Result<Generated, Error> {
        self.generate_with(&self.base, params, observer)
    }

    /// As [`Pipeline::generate`], with networks of [`Pipeline::networks`].
    ///
    /// # Errors
    /// The same as [`Pipeline::generate`].
    pub fn generate_with(
        &self,
        networks: &Networks,
        params: &Params,
        observer: &mut dyn Observer,
    ) -> Result<Generated, Error> {
        params.validate()?;
        let started = Instant::now();
        let conditioning = self.encode_with(networks, params)?;
        let text_encode_s = started.elapsed().as_secs_f64();
        let mut generated = self.generate_from_with(networks, params, conditioning, observer)?;
        if let Generated::Picture(output) = &mut generated {
            output.timings.text_encode_s = text_encode_s;
            output.timings.total_s += text_encode_s;
        }
        Ok(generated)
    }

    /// Encodes the prompts of `params`. Together with [`Pipeline::drop_text_encoders`] and [`Pipeline::generate_from`]
    /// this frees the encoders' memory before the picture is made.
    ///
    /// # Errors
    /// [`Error::NoTextEncoders`], or an error of the tokenizer or the encoders.
    pub fn encode(&self, params: &Params) -> Result<Conditioning, Error> {
        self.encode_with(&self.base, params)
    }

    /// As [`Pipeline::encode`], with networks of [`Pipeline::networks`].
    ///
    /// # Errors
    /// The same as [`Pipeline::encode`].
    pub fn encode_with(&self, networks: &Networks, params: &Params) -> Result<Conditioning, Error> {
        params.validate()?;
        let text = networks.text().ok_or(Error::NoTextEncoders)?;
        let _turn = self.turns.take();
        let positive = params.plan();
        // Weighted parts are differences to the negative prompt, also without guidance.
        let needs_negative = generation::is_guided(params.cfg_scale) || !positive.is_single();
        let negative = needs_negative.then(|| params.negative_plan());
        let embeddings: Vec<_> = params.embeddings.iter().map(|file| Inversion::from(&**file)).collect();
        self.compute.run(|| text.encode_plans(&positive, negative.as_ref(), params.prompt_syntax, &embeddings))
    }

    /// Frees the text encoders' memory, also those of all sets of [`Pipeline::networks`]. Prompts cannot be encoded
    /// afterwards.
    pub fn drop_text_encoders(&self) {
        self.base.drop_text();
        self.sets.all().iter().for_each(|set| set.drop_text());
        self.compute.device.memory_cleanup();
    }

    /// The device that computes.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The number type of the UNet.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The denoising network, without LoRA files.
    pub fn unet(&self) -> &Unet {
        self.base.unet()
    }

    /// The VAE.
    pub fn vae(&self) -> &Vae {
        &self.vae
    }

    /// The training schedule.
    pub fn table(&self) -> &ModelSigmas {
        &self.table
    }

    /// What the UNet predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }
}
