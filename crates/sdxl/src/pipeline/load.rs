//! Loads a pipeline from a checkpoint.

use super::Pipeline;
use crate::{
    Compute, Error, LoadError, Precision, Taesd, TextEncoders, Unet, Vae, latent2rgb, plan_source::load_part,
    turns::Turns,
};
use burn::tensor::DType;
use checkpoint::{BetaSchedule, Checkpoint, Part, PredictionType, SchedulerConfig};
use diffusion::{Betas, ModelSigmas, Passes, Prediction};
use std::sync::{Arc, RwLock};

/// Options for loading a checkpoint.
#[derive(Default)]
pub struct LoadOptions<'a> {
    /// Number type of the UNet and the text encoders. By default f16 on a GPU that supports it, otherwise f32.
    pub precision: Option<Precision>,
    /// Loads the VAE from this checkpoint instead.
    pub vae: Option<&'a Checkpoint>,
    /// Loads the TAESD from this checkpoint.
    pub taesd: Option<&'a Checkpoint>,
    /// Overrides the checkpoint's prediction type.
    pub prediction: Option<Prediction>,
    /// Overrides the checkpoint's zero-terminal-SNR setting.
    pub zero_terminal_snr: Option<bool>,
    /// Whether guidance runs the UNet once with both prompts, which is faster on every device, or once per prompt,
    /// which needs less memory.
    pub passes: Passes,
    /// Does not load the text encoders. Prompts must then be encoded elsewhere ([`TextEncoders::encode`]).
    pub without_text_encoders: bool,
    /// Called after each tensor with the part, the number of its tensors loaded so far, and their total.
    pub progress: Option<&'a mut dyn FnMut(Part, usize, usize)>,
}

impl Pipeline {
    /// Checks from the headers whether a checkpoint can be loaded: its training schedule and the plan of each part.
    /// With `has_vae` the VAE comes from elsewhere and is not checked.
    ///
    /// # Errors
    /// A missing part, tensors that do not match, or a schedule that SDXL does not support.
    pub fn check(checkpoint: &Checkpoint, has_vae: bool) -> Result<(), Error> {
        schedule(checkpoint.scheduler(), None)?;
        let own = [Part::TextEncoder, Part::TextEncoder2, Part::Unet].into_iter();
        let vae = Some(Part::Vae).filter(|_| !has_vae);
        for part in own.chain(vae).chain(Some(Part::Taesd).filter(|&part| checkpoint.has(part))) {
            checkpoint.plan(part).map_err(LoadError::from)?;
        }
        Ok(())
    }

    /// Loads a checkpoint onto a device. Loading is strict: every tensor belongs to exactly one parameter, and every
    /// parameter gets exactly one tensor.
    ///
    /// # Errors
    /// A checkpoint that does not match, or a number type that the device does not support.
    pub fn load(checkpoint: &Checkpoint, compute: &Compute, options: LoadOptions) -> Result<Self, Error> {
        let LoadOptions { vae, taesd, passes, without_text_encoders, progress, .. } = options;
        let precision = compute.precision(options.precision)?;
        let (table, prediction) = schedule(checkpoint.scheduler(), options.zero_terminal_snr)?;
        let mut ignore = |_: Part, _: usize, _: usize| {};
        let progress = progress.unwrap_or(&mut ignore);
        let text = match without_text_encoders {
            true => None,
            false => Some(Arc::new(TextEncoders::load(checkpoint, compute, precision, progress)?)),
        };
        let vae_source = vae.unwrap_or(checkpoint);
        let taesd_source = taesd.or_else(|| Some(checkpoint).filter(|c| c.has(Part::Taesd)));
        tracing::info!(device = %compute.info, dtype = precision.name(), "loading {}", checkpoint.path().display());
        Ok(Self {
            text: RwLock::new(text),
            unet: load_unet(checkpoint, compute, precision, progress)?,
            vae: load_vae(vae_source, compute, progress)?,
            taesd: match taesd_source {
                Some(source) => Some(load_taesd(source, compute, progress)?),
                None => None,
            },
            latent2rgb: checkpoint.latent2rgb().cloned().unwrap_or(latent2rgb::SDXL),
            table,
            prediction: options.prediction.unwrap_or(prediction),
            passes,
            turns: Turns::default(),
            compute: compute.clone(),
            precision,
        })
    }
}

fn schedule(config: &SchedulerConfig, zero_snr: Option<bool>) -> Result<(ModelSigmas, Prediction), Error> {
    let refuse = |message: String| LoadError::Config { part: "scheduler", message };
    if config.beta_schedule != BetaSchedule::ScaledLinear {
        return Err(refuse("beta_schedule is linear; SDXL's is scaled_linear".into()).into());
    }
    if config.num_train_timesteps != diffusion::TRAINING_STEPS {
        let n = config.num_train_timesteps;
        return Err(refuse(format!("num_train_timesteps is {n}; SDXL's is {}", diffusion::TRAINING_STEPS)).into());
    }
    let betas = Betas {
        start: config.beta_start,
        end: config.beta_end,
        zero_terminal_snr: zero_snr.unwrap_or(config.rescale_betas_zero_snr),
    };
    let prediction = match config.prediction_type {
        PredictionType::Epsilon => Prediction::Epsilon,
        PredictionType::V => Prediction::V,
    };
    Ok((ModelSigmas::new(betas)?.with_steps_offset(config.steps_offset), prediction))
}

type Progress<'a> = &'a mut dyn FnMut(Part, usize, usize);

fn load_unet(checkpoint: &Checkpoint, compute: &Compute, precision: Precision, p: Progress) -> Result<Unet, LoadError> {
    let (config, dtype) = (checkpoint.unet()?, precision.dtype());
    let mut progress = |done, total| p(Part::Unet, done, total);
    load_part(checkpoint, Part::Unet, &compute.device, dtype, &mut progress, |w| Unet::load(w, config, dtype))
}

fn load_vae(checkpoint: &Checkpoint, compute: &Compute, p: Progress) -> Result<Vae, LoadError> {
    let (config, max_buffer) = (checkpoint.vae()?, compute.info.max_buffer_bytes);
    let mut progress = |done, total| p(Part::Vae, done, total);
    load_part(checkpoint, Part::Vae, &compute.device, DType::F32, &mut progress, |w| Vae::load(w, config, max_buffer))
}

fn load_taesd(checkpoint: &Checkpoint, compute: &Compute, p: Progress) -> Result<Taesd, LoadError> {
    let config = checkpoint.taesd()?;
    let mut progress = |done, total| p(Part::Taesd, done, total);
    load_part(checkpoint, Part::Taesd, &compute.device, DType::F32, &mut progress, |w| Taesd::load(w, config))
}
