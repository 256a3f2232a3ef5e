//! SwarmUI: `parameters`, or a JPEG's user comment, is `{"sui_image_params": {...}}` (docs/Image Metadata Format.md).
//! Parameter names are in lower case without spaces.

use super::{even_schedule, reason};
use crate::{
    hash::short_hash,
    loras::{lora, lora_with, number},
    record::{Means, Reading, Record, text},
};
use generation::Lora;
use serde_json::{Map, Value};

pub(crate) fn record(object: &Map<String, Value>) -> Option<Record> {
    let parameters = object.get("sui_image_params")?.as_object()?;
    let mut reading = Reading::of("SwarmUI");
    reading.take_object(parameters, |name| Some(means(name)));
    take_loras(&mut reading, object, parameters);
    // Older versions store it among the parameters, newer ones next to them.
    let version = object.get("sui_extra_data").and_then(|extra| extra.get("swarm_version"));
    if let Some(version) = version {
        reading.take(Means::Version, "swarm_version", &text(version));
    }
    Some(reading.finish(even_schedule))
}

/// Lists of names, weights, and weights of the text encoders, each by place. The files' hashes are in `sui_models`.
fn take_loras(reading: &mut Reading, object: &Map<String, Value>, parameters: &Map<String, Value>) {
    let at = |list: &str, place: usize| parameters.get(list).and_then(|list| number(list.get(place)?));
    let models = object.get("sui_models").and_then(Value::as_array);
    let hash_of = |name: &str| {
        let is_same =
            |model: &&Value| model.get("name").and_then(Value::as_str).is_some_and(|of| lora(of, 1.0).name == name);
        let model =
            models?.iter().filter(|model| model.get("param").and_then(Value::as_str) == Some("loras")).find(is_same)?;
        short_hash(model.get("hash")?.as_str()?)
    };
    let names = parameters.get("loras").and_then(Value::as_array).into_iter().flatten();
    for (place, name) in names.enumerate().filter_map(|(place, name)| Some((place, name.as_str()?))) {
        let unet_weight = at("loraweights", place).unwrap_or(1.0);
        let text_weight = at("loratencweights", place).unwrap_or(unet_weight);
        let lora = lora_with(name, unet_weight, text_weight);
        reading.take_lora("loras", Lora { hash: hash_of(&lora.name), ..lora });
    }
}

fn means(name: &str) -> Means {
    match name {
        "prompt" => Means::Prompt,
        "negativeprompt" => Means::NegativePrompt,
        "steps" => Means::Steps,
        "cfgscale" => Means::CfgScale,
        "seed" => Means::Seed,
        "width" => Means::Width,
        "height" => Means::Height,
        "model" => Means::Model,
        "sampler" | "comfyuisampler" | "autowebuisampler" => Means::Sampler,
        "scheduler" | "comfyuischeduler" => Means::Scheduler,
        "swarm_version" => Means::Version,
        "aspectratio" | "automaticvae" | "images" | "date" | "generation_time" | "original_prompt" | "imageformat"
        | "nopreviews" | "wildcardseed" | "sidelength" | "loras" | "loraweights" | "loratencweights" => Means::Nothing,
        name => Means::Reason(reason(name)),
    }
}
