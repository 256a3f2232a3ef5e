//! Loads a pipeline from a checkpoint.

use super::{Networks, Pipeline, fit, sets::Sets};
use crate::{
    Compute, Error, Layers, LoadError, Precision, Taesd, TextEncoders, Unet, Vae, Weights, latent2rgb,
    plan_source::load_part, turns::Turns, vae::LatentStatistics,
};
use burn::tensor::DType;
use checkpoint::{BetaSchedule, Checkpoint, ModelSampling, Part, SchedulerConfig, VaeConfig};
use diffusion::{Betas, Edm, ModelSigmas, Passes, Prediction};
use std::sync::Arc;

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
    /// Memory in bytes for sets of networks with LoRA files ([`Pipeline::networks`]) that nobody uses. By default 1 GiB.
    pub unused_networks_bytes: Option<u64>,
    /// Does not load the text encoders. Prompts must then be encoded elsewhere ([`TextEncoders::encode`]).
    pub without_text_encoders: bool,
    /// Called after each tensor with the part, the number of its tensors loaded so far, and their total.
    pub progress: Option<&'a mut dyn FnMut(Part, usize, usize)>,
}

impl Pipeline {
    /// Checks from the headers and the tokenizers whether a checkpoint can be loaded: its training schedule and the plan of
    /// each part. `vae` replaces its own VAE, which is then not checked.
    ///
    /// # Errors
    /// A missing part, tensors or a tokenizer that do not match, a schedule that SDXL does not support, or a `vae` for other
    /// latents.
    pub fn check(checkpoint: &Checkpoint, vae: Option<&VaeConfig>) -> Result<(), Error> {
        schedule(checkpoint.scheduler(), None)?;
        let own = [Part::TextEncoder, Part::TextEncoder2, Part::Unet].into_iter();
        let own_vae = Some(Part::Vae).filter(|_| vae.is_none());
        for part in own.chain(own_vae).chain(Some(Part::Taesd).filter(|&part| checkpoint.has(part))) {
            Self::check_part(checkpoint, part)?;
        }
        let latents = match vae {
            Some(vae) => {
                fit::check_replacement(vae, checkpoint.vae().ok())?;
                vae
            }
            None => checkpoint.vae().map_err(LoadError::from)?,
        };
        statistics(checkpoint.scheduler(), latents)?;
        TextEncoders::check(checkpoint)
    }

    /// Checks from the headers whether a part can be loaded and used with SDXL's latents, for a part that replaces a
    /// checkpoint's own.
    ///
    /// # Errors
    /// A missing part, tensors that do not match, or a part of another model family: a VAE with 16 latent channels.
    pub fn check_part(checkpoint: &Checkpoint, part: Part) -> Result<(), Error> {
        fit::check(checkpoint, part)?;
        checkpoint.plan(part).map_err(LoadError::from)?;
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
        let vae_source = vae.unwrap_or(checkpoint);
        let statistics = statistics(checkpoint.scheduler(), vae_source.vae().map_err(LoadError::from)?)?;
        let mut ignore = |_: Part, _: usize, _: usize| {};
        let progress = progress.unwrap_or(&mut ignore);
        let taesd_source = taesd.or_else(|| Some(checkpoint).filter(|c| c.has(Part::Taesd)));
        fit::check(checkpoint, Part::Unet)?;
        fit::check(vae_source, Part::Vae)?;
        if vae.is_some() {
            fit::check_replacement(vae_source.vae().map_err(LoadError::from)?, checkpoint.vae().ok())?;
        }
        taesd_source.map_or(Ok(()), |source| fit::check(source, Part::Taesd))?;
        tracing::info!(device = %compute.info, dtype = precision.name(), "loading {}", checkpoint.path().display());
        let text = match without_text_encoders {
            true => None,
            false => Some(Arc::new(TextEncoders::load(checkpoint, compute, precision, progress)?)),
        };
        let (unet, unet_layers) = load_unet(checkpoint, compute, precision, progress)?;
        Ok(Self {
            base: Arc::new(Networks::base(text, Arc::new(unet))),
            unet_layers,
            shapes: checkpoint.shapes().clone(),
            sets: Sets::new(options.unused_networks_bytes.unwrap_or(Sets::LIMIT_BYTES)),
            vae: load_vae(vae_source, compute, progress)?.with_statistics(statistics),
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
    let edm = match config.sampling {
        ModelSampling::Discrete => None,
        ModelSampling::Edm { sigma_data, sigma_min, sigma_max, .. } => Some(Edm { sigma_min, sigma_max, sigma_data }),
        ModelSampling::ContinuousV { sigma_min, sigma_max } => Some(Edm { sigma_min, sigma_max, sigma_data: 1.0 }),
    };
    if let Some(edm) = edm {
        return Ok((ModelSigmas::continuous(edm)?, config.prediction_type));
    }
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
    Ok((ModelSigmas::new(betas)?.with_steps_offset(config.steps_offset), config.prediction_type))
}

/// How the sampler's latents are normalised. The UNet was trained on them, so a VAE from another file gets them too.
fn statistics(config: &SchedulerConfig, vae: &VaeConfig) -> Result<Option<LatentStatistics>, LoadError> {
    let ModelSampling::Edm { sigma_data, latents_mean, latents_std, .. } = config.sampling else { return Ok(None) };
    if vae.latent_channels != latents_mean.len() {
        let message = format!("it has {} latent channels; the model normalises 4", vae.latent_channels);
        return Err(LoadError::Config { part: "vae", message });
    }
    Ok(Some(LatentStatistics { mean: latents_mean, std: latents_std, scale: sigma_data }))
}

type Progress<'a> = &'a mut dyn FnMut(Part, usize, usize);

fn load_unet(
    checkpoint: &Checkpoint,
    compute: &Compute,
    precision: Precision,
    p: Progress,
) -> Result<(Unet, Layers), LoadError> {
    let (config, dtype, device) = (checkpoint.unet()?, precision.dtype(), &compute.device);
    let mut progress = |done, total| p(Part::Unet, done, total);
    load_part(checkpoint, Part::Unet, device, dtype, &mut progress, |w| Unet::load(w, config, dtype))
}

fn load_vae(checkpoint: &Checkpoint, compute: &Compute, p: Progress) -> Result<Vae, LoadError> {
    let (config, max_buffer) = (checkpoint.vae()?, compute.info.max_buffer_bytes);
    let mut progress = |done, total| p(Part::Vae, done, total);
    let load = |w: Weights| Vae::load(w, config, max_buffer);
    Ok(load_part(checkpoint, Part::Vae, &compute.device, DType::F32, &mut progress, load)?.0)
}

fn load_taesd(checkpoint: &Checkpoint, compute: &Compute, p: Progress) -> Result<Taesd, LoadError> {
    let config = checkpoint.taesd()?;
    let mut progress = |done, total| p(Part::Taesd, done, total);
    let load = |w: Weights| Taesd::load(w, config);
    Ok(load_part(checkpoint, Part::Taesd, &compute.device, DType::F32, &mut progress, load)?.0)
}
