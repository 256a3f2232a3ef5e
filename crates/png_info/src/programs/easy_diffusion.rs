//! Easy Diffusion: one text per setting in a PNG, one JSON object in a user comment. Depending on the user's choice,
//! names are its own (`num_inference_steps`) or A1111's (`Steps`).

use super::{even_schedule, reason};
use crate::{
    container::Texts,
    record::{Means, Reading, Record},
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
    Some(reading.finish(even_schedule))
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
        "stable diffusion model" | "use stable diffusion model" => Means::Model,
        name => Means::Reason(reason(&name.replace(' ', "_"))),
    }
}
