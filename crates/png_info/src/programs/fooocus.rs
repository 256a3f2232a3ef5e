//! Fooocus: `parameters`, or the user comment, is a JSON object, with `fooocus_scheme` as a separate text
//! (modules/meta_parser.py). Its other scheme is A1111's format.

use super::{even_schedule, reason};
use crate::record::{Means, Reading, Record};
use serde_json::{Map, Value};

pub(crate) fn record(object: &Map<String, Value>) -> Option<Record> {
    let has = |name| object.contains_key(name);
    if !(has("base_model") && has("prompt") && (has("performance") || has("metadata_scheme") || has("resolution"))) {
        return None;
    }
    let mut reading = Reading::of("Fooocus");
    reading.take_object(object, |name| Some(means(name)));
    let mut record = reading.finish(even_schedule);
    let version = record.program_version.take();
    record.program_version = version.map(|version| version.trim_start_matches("Fooocus ").to_owned());
    Some(record)
}

fn means(name: &str) -> Means {
    match name {
        "prompt" => Means::Prompt,
        "negative_prompt" => Means::NegativePrompt,
        "steps" => Means::Steps,
        "guidance_scale" => Means::CfgScale,
        "seed" => Means::Seed,
        // A Python tuple: (832, 1216)
        "resolution" => Means::Size,
        "base_model" => Means::Model,
        "sampler" => Means::Sampler,
        "scheduler" => Means::Scheduler,
        "version" => Means::Version,
        // Derived from the prompt and the styles.
        "full_prompt" | "full_negative_prompt" | "metadata_scheme" | "created_by" => Means::Nothing,
        name => Means::Reason(reason(name)),
    }
}
