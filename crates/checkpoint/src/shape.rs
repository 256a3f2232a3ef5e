//! A part's configuration, of any part, and checks across parts.

use crate::{
    Error, ModelSampling, Part, SchedulerConfig, TaesdConfig, TextEncoderConfig, UnetConfig, VaeConfig,
    config::{
        ConfigFile, SCHEDULER_CONFIG, sampling_from_tensors, scheduler_from_json, scheduler_from_tensors,
        taesd_from_json, taesd_from_tensors, text_from_json, text_from_tensors, unet_from_json, unet_from_tensors,
        vae_from_json, vae_from_tensors,
    },
    names::{self, Expected},
    read::values,
    source::Sources,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The configuration of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Shape {
    /// The UNet's.
    Unet(UnetConfig),
    /// The VAE's.
    Vae(VaeConfig),
    /// A text encoder's.
    Text(TextEncoderConfig),
    /// The TAESD decoder's.
    Taesd(TaesdConfig),
}

impl Shape {
    /// Reads it from the part's config.json, or derives it from its tensors if there is none.
    pub(crate) fn read(sources: &Sources, part: Part) -> Result<Self, Error> {
        let Some(source) = sources.parts.get(&part) else {
            return Err(Error::NoPart { path: sources.path().to_owned(), part });
        };
        if let Some(file) = &source.config {
            return Ok(match part {
                Part::Unet => Self::Unet(unet_from_json(file)?),
                Part::Vae => Self::Vae(vae_from_json(file)?),
                Part::TextEncoder | Part::TextEncoder2 => Self::Text(text_from_json(file, part)?),
                Part::Taesd => Self::Taesd(taesd_from_json(file)?),
            });
        }
        let (shapes, naming) = (sources.shapes(source), source.naming);
        Ok(match part {
            Part::Unet => Self::Unet(unet_from_tensors(&shapes, pooled_width(sources)?)?),
            Part::Vae => Self::Vae(vae_from_tensors(&shapes, naming)?),
            Part::TextEncoder | Part::TextEncoder2 => Self::Text(text_from_tensors(&shapes, naming, part)?),
            Part::Taesd => Self::Taesd(taesd_from_tensors(&shapes, naming)?),
        })
    }

    /// Number of values in all parameters of the part.
    pub fn parameters(&self) -> u128 {
        let values = |shape: &[usize]| shape.iter().map(|&side| side as u128).product::<u128>();
        self.expected().iter().map(|parameter| values(&parameter.shape)).sum()
    }

    /// Every parameter of the part.
    pub(crate) fn expected(&self) -> Vec<Expected> {
        match self {
            Self::Unet(config) => names::unet(config),
            Self::Vae(config) => names::vae(config),
            Self::Text(config) => names::text_encoder(config),
            Self::Taesd(config) => names::taesd(config),
        }
    }
}

/// Width of the second text encoder's pooled output, from its tensors.
fn pooled_width(sources: &Sources) -> Result<Option<usize>, Error> {
    if !sources.parts.contains_key(&Part::TextEncoder2) {
        return Ok(None);
    }
    Ok(match Shape::read(sources, Part::TextEncoder2)? {
        Shape::Text(text) => text.projection_dim,
        _ => None,
    })
}

/// The training schedule from scheduler_config.json, or from tensors and metadata.
pub(crate) fn scheduler(sources: &Sources) -> Result<SchedulerConfig, Error> {
    if sources.index.is_some() && sources.place.has(SCHEDULER_CONFIG) {
        let vae = sources.parts.get(&Part::Vae).and_then(|source| source.config.as_ref());
        let config = scheduler_from_json(&ConfigFile::read(&sources.place, SCHEDULER_CONFIG)?, vae)?;
        // diffusers normalises latents with them whatever the scheduler is.
        let has_statistics = |vae: &&ConfigFile| vae.get("latents_mean").is_some() && vae.get("latents_std").is_some();
        return match (config.sampling, vae.filter(has_statistics)) {
            (ModelSampling::Discrete | ModelSampling::ContinuousV { .. }, Some(vae)) => {
                Err(vae.bad("latents_mean", "null, except with an EDM scheduler that predicts epsilon"))
            }
            _ => Ok(config),
        };
    }
    let names: BTreeSet<&str> = sources.all_tensors().map(|tensor| tensor.name.as_str()).collect();
    let metadata = sources.files.first().map(|file| file.header.metadata.clone()).unwrap_or_default();
    let sampling = sampling_from_tensors(
        |name| names.contains(name),
        |name| numbers(sources, name),
        |key, value, supported| Error::Config {
            path: sources.path().to_owned(),
            key: key.to_owned(),
            value,
            supported: supported.to_owned(),
        },
    )?;
    Ok(scheduler_from_tensors(sampling, |name| names.contains(name), &metadata))
}

/// The values of a small tensor; none if it is too large to be a mark or cannot be read.
fn numbers(sources: &Sources, name: &str) -> Result<Vec<f32>, Error> {
    const MAX_BYTES: u64 = 256;
    for file in &sources.files {
        if let Some(tensor) = file.header.tensors.iter().find(|tensor| tensor.name == name) {
            if !tensor.dtype.is_readable() || tensor.bytes > MAX_BYTES {
                return Ok(Vec::new());
            }
            return values(file, name, tensor.dtype, tensor.offset, tensor.bytes);
        }
    }
    Ok(Vec::new())
}

/// Checks the widths that different parts must agree on.
pub(crate) fn check_together(path: &Path, shapes: &BTreeMap<Part, Shape>) -> Result<(), Error> {
    let bad = |key: &str, value: usize, supported: String| {
        Err(Error::Config { path: path.to_owned(), key: key.to_owned(), value: value.to_string(), supported })
    };
    let Some(Shape::Unet(unet)) = shapes.get(&Part::Unet) else { return Ok(()) };
    if unet.out_channels != unet.in_channels {
        return bad("out_channels", unet.out_channels, format!("the UNet's in_channels, {}", unet.in_channels));
    }
    if let (Some(Shape::Text(one)), Some(Shape::Text(two))) =
        (shapes.get(&Part::TextEncoder), shapes.get(&Part::TextEncoder2))
    {
        let (first, second) = (one.hidden_size, two.hidden_size);
        if unet.cross_attention_dim != first + second {
            let supported = format!("the widths of both text encoders together, {first} + {second}");
            return bad("cross_attention_dim", unet.cross_attention_dim, supported);
        }
    }
    if let Some(Shape::Text(TextEncoderConfig { projection_dim: Some(pooled), .. })) = shapes.get(&Part::TextEncoder2)
        && *pooled != unet.pooled_dim()
    {
        let supported = format!("the text encoder's {pooled} and 6 * {}", unet.addition_time_embed_dim);
        return bad("projection_class_embeddings_input_dim", unet.projection_class_embeddings_input_dim, supported);
    }
    for part in [Part::Vae, Part::Taesd] {
        let latent = match shapes.get(&part) {
            Some(Shape::Vae(vae)) => vae.latent_channels,
            Some(Shape::Taesd(taesd)) => taesd.latent_channels,
            _ => continue,
        };
        if latent != unet.in_channels {
            return bad("latent_channels", latent, format!("the UNet's in_channels, {}", unet.in_channels));
        }
    }
    Ok(())
}
