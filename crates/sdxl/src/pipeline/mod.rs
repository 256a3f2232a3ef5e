//! The whole way from a prompt to a picture.

mod load;
mod params;
mod preview;
mod run;
mod timing;

pub use load::LoadOptions;
pub use params::{InitImage, Params, limits};
pub use preview::PreviewMethod;
pub use timing::Timings;

use crate::{
    Compute, Conditioning, Error, HostTensor, Picture, Precision, Taesd, TextEncoders, Unet, Vae, turns::Turns,
};
use checkpoint::Latent2Rgb;
use diffusion::{ModelSigmas, Observer, Passes, Prediction};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

/// A loaded model on a device. Threads share one by reference (or `Arc`): each [`Pipeline::generate`] then
/// takes its turn on the device for one call of the network at a time, so that their steps interleave.
#[derive(Debug)]
pub struct Pipeline {
    compute: Compute,
    precision: Precision,
    text: RwLock<Option<Arc<TextEncoders>>>,
    unet: Unet,
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
    /// With a picture.
    Picture(Box<Output>),
    /// The observer cancelled it.
    Cancelled {
        /// The step that it was stopped in, 1 for the first.
        step: usize,
    },
}

/// Whether all steps were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All of them.
    Complete,
    /// The observer stopped it and kept the estimate.
    Kept {
        /// The step that it was stopped at, 1 for the first.
        step: usize,
    },
}

/// A picture and what it came from.
#[derive(Clone, Debug)]
pub struct Output {
    /// The picture.
    pub picture: Picture,
    /// Whether all steps were made.
    pub finish: Finish,
    /// The sampler's result before the VAE's scaling: `[1, 4, h/8, w/8]`.
    pub latents: HostTensor,
    /// The noise levels of the run, `steps + 1` of them (fewer for a part of a picture).
    pub sigmas: Vec<f32>,
    /// Unit noise before scaling: `[1, 4, h/8, w/8]`.
    pub initial_noise: HostTensor,
    /// The encoded prompts.
    pub conditioning: Conditioning,
    /// How long it took.
    pub timings: Timings,
}

impl Pipeline {
    /// Makes a picture. `observer` is called exactly once a step with the estimate so far.
    ///
    /// # Errors
    /// Parameters out of bounds (all of them at once, before anything runs), a device that fails, numbers
    /// that are not finite. Being cancelled is no error: see [`Generated`].
    pub fn generate(&self, params: &Params, observer: &mut dyn Observer) -> Result<Generated, Error> {
        params.validate()?;
        let started = Instant::now();
        let conditioning = self.encode(params)?;
        let text_encode_s = started.elapsed().as_secs_f64();
        let mut generated = self.generate_from(params, conditioning, observer)?;
        if let Generated::Picture(output) = &mut generated {
            output.timings.text_encode_s = text_encode_s;
            output.timings.total_s += text_encode_s;
        }
        Ok(generated)
    }

    /// Encodes the prompts of `params`. With [`Pipeline::drop_text_encoders`] and
    /// [`Pipeline::generate_from`] the encoders' memory can be had back before the picture is made.
    ///
    /// # Errors
    /// [`Error::NoTextEncoders`], or what encoding fails with.
    pub fn encode(&self, params: &Params) -> Result<Conditioning, Error> {
        params.validate()?;
        let text = self.text.read().unwrap_or_else(PoisonError::into_inner).clone();
        let text = text.ok_or(Error::NoTextEncoders)?;
        let _turn = self.turns.take();
        let negative = (params.cfg_scale != 1.0).then_some(params.negative_prompt.as_str());
        self.compute.run(|| text.encode(&params.prompt, negative, params.prompt_syntax))
    }

    /// Gives the text encoders' memory back. Prompts cannot be encoded from then on.
    pub fn drop_text_encoders(&self) {
        *self.text.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.compute.device.memory_cleanup();
    }

    /// The device.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// The number type of the UNet.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The denoiser.
    pub fn unet(&self) -> &Unet {
        &self.unet
    }

    /// The picture codec.
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
