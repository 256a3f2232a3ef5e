//! SwarmUI: `parameters`, or a JPEG's user comment, is `{"sui_image_params": {...}}` (docs/Image Metadata Format.md).
//! Parameter names are in lower case without spaces.

use super::{even_schedule, reason};
use crate::record::{Means, Reading, Record, text};
use serde_json::{Map, Value};

pub(crate) fn record(object: &Map<String, Value>) -> Option<Record> {
    let parameters = object.get("sui_image_params")?.as_object()?;
    let mut reading = Reading::of("SwarmUI");
    reading.take_object(parameters, |name| Some(means(name)));
    // Older versions store it among the parameters, newer ones next to them.
    let version = object.get("sui_extra_data").and_then(|extra| extra.get("swarm_version"));
    if let Some(version) = version {
        reading.take(Means::Version, "swarm_version", &text(version));
    }
    Some(reading.finish(even_schedule))
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
        | "nopreviews" | "wildcardseed" | "sidelength" => Means::Nothing,
        name => Means::Reason(reason(name)),
    }
}
