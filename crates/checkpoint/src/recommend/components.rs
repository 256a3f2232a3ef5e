//! Parts of a diffusers folder that pictures are made without.

use super::Note;
use crate::{
    ModelSampling, Part, SchedulerConfig, config::ConfigFile, safetensors::one_line, shape::Shape, source::Sources,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Pipeline classes that make the same pictures from noise.
const PIPELINES: [&str; 3] =
    ["StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"];

/// Components that are used, with the classes that they are read as.
const USED: [(&str, &[&str]); 6] = [
    ("unet", &["UNet2DConditionModel"]),
    ("vae", &["AutoencoderKL"]),
    ("text_encoder", &["CLIPTextModel", "CLIPTextModelWithProjection"]),
    ("text_encoder_2", &["CLIPTextModelWithProjection", "CLIPTextModel"]),
    ("tokenizer", &["CLIPTokenizer", "CLIPTokenizerFast"]),
    ("tokenizer_2", &["CLIPTokenizer", "CLIPTokenizerFast"]),
];

/// Components without an effect on a picture that is made from text, and the scheduler, which has its own notes.
const WITHOUT_EFFECT: [&str; 2] = ["scheduler", "feature_extractor"];

/// Maximum number of components that are listed.
const SHOWN: usize = 10;
/// Maximum length of a name from the file, characters.
const MAX_NAME_CHARS: usize = 60;

/// Notes about a diffusers folder's components that are not used or are of another class, and about a VAE whose latents
/// are scaled unlike SDXL's.
pub(super) fn notes(
    sources: &Sources,
    shapes: &BTreeMap<Part, Shape>,
    scheduler: &SchedulerConfig,
    notes: &mut Vec<Note>,
) {
    let mut add = |text: String| notes.push(Note { field: "model", text });
    if let Some(index) = &sources.index {
        of_index(index).into_iter().for_each(&mut add);
    }
    let is_normalised = matches!(scheduler.sampling, ModelSampling::Edm { .. });
    if let Some(Shape::Vae(vae)) = shapes.get(&Part::Vae)
        && !is_normalised
        && !vae.has_sdxl_scale()
    {
        let crate::VaeConfig { scaling_factor, shift_factor, .. } = vae;
        add(format!(
            "its VAE has scaling_factor {scaling_factor} and shift_factor {shift_factor}; SDXL's has 0.13025 and 0, and 0.18215 \
             is Stable Diffusion 1's"
        ));
    }
}

fn of_index(index: &ConfigFile) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(class) = index.get("_class_name").and_then(Value::as_str)
        && !PIPELINES.contains(&class)
    {
        let class = shown(class);
        found.push(format!("model_index.json is for {class}; pictures are made as by {} instead", PIPELINES[0]));
    }
    for (name, entry) in &index.map {
        // `["diffusers", "ControlNetModel"]`. `[null, null]` is a component that the folder does not have.
        let Some(class) = entry.as_array().and_then(|entry| entry.get(1)).filter(|class| !class.is_null()) else {
            continue;
        };
        let class = class.as_str().map_or_else(|| class.to_string(), str::to_owned);
        match USED.iter().find(|(used, _)| used == name) {
            Some((_, classes)) if !classes.contains(&class.as_str()) => {
                found.push(format!("its {name} is of the class {}, and is read as {}", shown(&class), classes[0]));
            }
            Some(_) => {}
            None if WITHOUT_EFFECT.contains(&name.as_str()) => {}
            None => found.push(format!(
                "model_index.json lists {} ({}), which is not used: pictures are made without it",
                shown(name),
                shown(&class)
            )),
        }
    }
    if let Some(more @ 1..) = found.len().checked_sub(SHOWN) {
        found.truncate(SHOWN);
        found.push(format!("model_index.json lists {more} more components that are not used"));
    }
    found
}

fn shown(name: &str) -> String {
    one_line(name).chars().take(MAX_NAME_CHARS).collect()
}
