//! Easy Diffusion: one text per setting in a PNG, one JSON object in a user comment. Depending on the user's choice,
//! names are its own (`num_inference_steps`) or A1111's (`Steps`).

use super::{even_schedule, reason};
use crate::{
    container::Texts,
    loras::lora,
    record::{Means, Reading, Record, text},
};
use serde_json::{Map, Value};

pub(crate) fn record(texts: &Texts) -> Option<Record> {
    let object = texts.iter().map(|(keyword, text)| (keyword.to_owned(), Value::from(text))).collect();
    of_object(&object)
}

pub(crate) fn of_object(object: &Map<String, Value>) -> Option<Record> {
    let has = |wanted: &str| object.keys().any(|name| normalized(name) == wanted);
    let is_its_own = has("num inference steps") || has("stable diffusion model") || has("use stable diffusion model");
    if !(has("prompt") && has("seed") && is_its_own) {
        return None;
    }
    let mut reading = Reading::of("Easy Diffusion");
    reading.take_object(object, |name| Some(means(&normalized(name))));
    let listed = |names: &[&str]| {
        let value = object.iter().find(|(name, _)| names.contains(&normalized(name).as_str())).map(|(_, value)| value);
        value.map(list).unwrap_or_default()
    };
    let weights = listed(&LORA_WEIGHTS);
    for (place, name) in listed(&LORAS).iter().enumerate() {
        let weight = weights.get(place).and_then(|weight| weight.parse().ok()).unwrap_or(1.0);
        reading.take_lora("lora", lora(name, weight));
    }
    Some(reading.finish(even_schedule))
}

/// Its own name and that of the other choice for the LoRA files, and for their weights.
const LORAS: [&str; 2] = ["use lora model", "lora model"];
const LORA_WEIGHTS: [&str; 2] = ["lora alpha", "lora strength"];

/// One value or a list of them. In a PNG a list is Python's text: `['a', 'b']`.
fn list(value: &Value) -> Vec<String> {
    let text = match value {
        Value::Array(items) => return items.iter().map(text).collect(),
        value => text(value),
    };
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inside) => inside.split(',').map(|item| item.trim().trim_matches(['\'', '"']).to_owned()).collect(),
        None => vec![text],
    }
}

fn normalized(name: &str) -> String {
    name.to_lowercase().replace('_', " ")
}

fn means(name: &str) -> Means {
    match name {
        "prompt" => Means::Prompt,
        "negative prompt" => Means::NegativePrompt,
        "steps" | "num inference steps" => Means::Steps,
        "guidance scale" => Means::CfgScale,
        "seed" => Means::Seed,
        "width" => Means::Width,
        "height" => Means::Height,
        "sampler" | "sampler name" => Means::Sampler,
        "scheduler" | "scheduler name" => Means::Scheduler,
        name if LORAS.contains(&name) || LORA_WEIGHTS.contains(&name) => Means::Nothing,
        "stable diffusion model" | "use stable diffusion model" => Means::Model,
        name => Means::Reason(reason(&name.replace(' ', "_"))),
    }
}
