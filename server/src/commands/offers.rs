//! The models that `--model` makes available.

use super::{
    model::{ModelChoice, usable},
    scan::{Candidate, Refused, is_folder_of_models},
};
use anyhow::{Context, Result};
use checkpoint::{OpenOptions, Part, VaeConfig};
use engine::Offer;
use protocol::RefusedModel;
use sdxl::Pipeline;

/// Maximum number of refused files that are logged and listed. A folder of LoRAs can have thousands.
const SHOWN: usize = 100;

/// The models that `--model` makes available.
#[derive(Debug)]
pub struct Offers {
    /// Models that can be chosen, the default first.
    pub offers: Vec<Offer>,
    /// Other files in the folder, with the reason why they cannot be chosen.
    pub refused: Vec<RefusedModel>,
}

impl Offers {
    /// The embedded model, one checkpoint, or each checkpoint of a folder. With `vae`, that of `--vae`, a
    /// checkpoint may lack one.
    ///
    /// # Errors
    /// The path is none of these, the checkpoint cannot be loaded, or the folder has none that can.
    pub fn of(model: &ModelChoice, options: &OpenOptions, vae: Option<&VaeConfig>) -> Result<Self> {
        match model {
            ModelChoice::Path(folder) if is_folder_of_models(folder) => {
                let open = |Candidate { name, path, .. }: &Candidate| {
                    offer(ModelChoice::Path(path.clone()), name.clone(), options, vae)
                };
                let (offers, refused) = usable(folder, open).with_context(|| format!("--model {model}"))?;
                Ok(Self { offers, refused: shown(refused) })
            }
            one => {
                let offer = offer(one.clone(), one.name(), options, vae);
                Ok(Self { offers: vec![offer.with_context(|| format!("--model {one}"))?], refused: Vec::new() })
            }
        }
    }

    /// Logs refused files, and checkpoint settings that cannot be applied.
    pub fn log(&self) {
        for RefusedModel { name, reason } in &self.refused {
            tracing::warn!(file = name, reason, "not offered as a model");
        }
        for offer in &self.offers {
            for note in &offer.notes {
                tracing::info!(model = offer.name, note, "the checkpoint's own settings");
            }
        }
    }
}

/// The first [`SHOWN`] entries, then one entry with the number of the rest.
fn shown(refused: Vec<Refused>) -> Vec<RefusedModel> {
    let more = refused.len().saturating_sub(SHOWN);
    let shown = |Refused { file, reason }| RefusedModel { name: file, reason };
    let mut list: Vec<_> = refused.into_iter().take(SHOWN).map(shown).collect();
    if more > 0 {
        list.push(RefusedModel { name: format!("{more} more"), reason: "doctor lists all".to_owned() });
    }
    list
}

/// Reads only headers and tokenizers. A checkpoint that cannot be loaded is reported at start-up and not at the first picture.
fn offer(model: ModelChoice, name: String, options: &OpenOptions, vae: Option<&VaeConfig>) -> Result<Offer> {
    let checkpoint = model.open(options)?;
    Pipeline::check(&checkpoint, vae)?;
    let recommended = model.recommended(checkpoint.recommendation(), checkpoint.scheduler())?;
    let (title, examples) = match model {
        ModelChoice::Starter => {
            let card = starter_model::card();
            (card.title.clone(), card.example_prompts.clone())
        }
        ModelChoice::Path(_) => (name.clone(), Vec::new()),
    };
    let options = options.clone();
    Ok(Offer {
        name,
        title,
        recommended: recommended.settings().clone(),
        notes: recommended.notes.into_iter().map(|note| note.text).collect(),
        has_taesd: checkpoint.has(Part::Taesd),
        examples,
        library_id: None,
        version: String::new(),
        open: Box::new(move || model.open(&options).map_err(Into::into)),
    })
}
