//! The models that can be chosen, from `--model`.

use crate::commands::model::ModelChoice;
use anyhow::{Context, Result, bail};
use checkpoint::{OpenOptions, Part};
use engine::Offer;
use protocol::Recommended;
use std::{fs, path::Path};

/// What `--model` offers: the model inside the program, a checkpoint, or each checkpoint of a folder.
///
/// # Errors
/// A path that is none of these, or a checkpoint that is no SDXL one, by name.
pub fn offers(model: &ModelChoice, options: OpenOptions) -> Result<Vec<Offer>> {
    match model {
        ModelChoice::Starter => Ok(vec![offer(model.clone(), &options)?]),
        ModelChoice::Path(path) => match one_or_several(path)? {
            None => Ok(vec![offer(model.clone(), &options)?]),
            Some(several) => several.into_iter().map(|model| offer(model, &options)).collect(),
        },
    }
}

/// The checkpoints of a folder that is itself none, in the order of their names.
fn one_or_several(path: &Path) -> Result<Option<Vec<ModelChoice>>> {
    if !path.is_dir() || is_diffusers(path) {
        return Ok(None);
    }
    let entries = fs::read_dir(path).with_context(|| format!("--model {}", path.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("--model {}", path.display()))?.path();
        let is_file = path.is_file() && path.extension().is_some_and(|extension| extension == "safetensors");
        if is_file || is_diffusers(&path) {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("--model {}: there is no .safetensors file and no diffusers folder in it", path.display());
    }
    found.sort();
    Ok(Some(found.into_iter().map(ModelChoice::Path).collect()))
}

fn is_diffusers(folder: &Path) -> bool {
    folder.join("model_index.json").exists() || folder.join("unet").exists()
}

/// Reads the header: a checkpoint that cannot be loaded is told of at the start, not at the first picture.
fn offer(model: ModelChoice, options: &OpenOptions) -> Result<Offer> {
    let checkpoint = model.open(options).with_context(|| format!("--model {model}"))?;
    let settings = model.settings()?;
    let (title, examples) = match model {
        ModelChoice::Starter => {
            let card = starter_model::card();
            (card.title.clone(), card.example_prompts.clone())
        }
        ModelChoice::Path(_) => (model.name(), Vec::new()),
    };
    let options = options.clone();
    Ok(Offer {
        name: model.name(),
        title,
        recommended: Recommended {
            width: settings.width,
            height: settings.height,
            steps: settings.steps,
            cfg_scale: settings.cfg_scale,
            sampler: settings.sampler.name().to_owned(),
            scheduler: settings.scheduler.name().to_owned(),
        },
        has_taesd: checkpoint.has(Part::Taesd),
        examples,
        open: Box::new(move || model.open(&options).map_err(Into::into)),
    })
}
