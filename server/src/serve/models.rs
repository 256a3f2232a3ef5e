//! The models of the command line.

use crate::{cli::ModelArgs, commands::offers::Offers};
use anyhow::{Context, Result};
use checkpoint::{Checkpoint, OpenOptions, Part, VaeConfig};
use engine::{Engine, ModelOptions, Models};
use library::Library;
use local_studio::BaseOffers;
use sdxl::{Compute, Pipeline, Precision};
use std::{num::NonZeroUsize, path::Path, sync::Arc};

/// Opens the offered models, reading only their headers and tokenizers, and the device. Also returns the configuration of
/// `--vae`.
pub(super) fn open(args: &ModelArgs) -> Result<(Models, Option<VaeConfig>)> {
    let options = open_options(args.dtype);
    let part = |part, path: Option<&Path>| -> Result<Option<Checkpoint>> {
        let Some(path) = path else { return Ok(None) };
        let checkpoint = Checkpoint::open_part(part, path, &options)?;
        Pipeline::check_part(&checkpoint, part)?;
        Ok(Some(checkpoint))
    };
    let vae = part(Part::Vae, args.vae.as_deref()).context("--vae")?;
    let taesd = part(Part::Taesd, args.taesd.as_deref()).context("--taesd")?;
    let vae_config = vae.as_ref().map(|vae| vae.vae().cloned()).transpose().context("--vae")?;
    let chosen = args.model.clone().unwrap_or_default();
    let offers = Offers::of(&chosen, &options, vae_config.as_ref())?;
    offers.log();
    let compute = Compute::open(args.device)?;
    compute.precision(args.dtype)?;
    let Offers { offers, refused } = offers;
    let in_memory = args.models_in_memory.and_then(|models| NonZeroUsize::new(models.into()));
    let options = ModelOptions { vae, taesd, precision: args.dtype, in_memory };
    Ok((Models::new(offers, refused, options, compute), vae_config))
}

/// How checkpoints are opened.
pub(super) fn open_options(precision: Option<Precision>) -> OpenOptions {
    OpenOptions { prefer_fp16: precision == Some(Precision::F16) }
}

/// Loads the default model in the background. The first task that needs it reports the error again. With a library and
/// without `--model` the default is known only after the scan; then the first task loads its model.
pub(super) fn load_first(engine: &Engine, library: &Library, base: &BaseOffers) {
    if library.has_folders() && !base.is_chosen {
        return;
    }
    let models = Arc::clone(engine.models());
    let Some(name) = models.offers().first().map(|offer| offer.name.clone()) else { return };
    tokio::task::spawn_blocking(move || {
        if let Err(error) = models.pipeline(&name) {
            tracing::error!(%error, "the default model cannot be loaded");
        }
    });
}
