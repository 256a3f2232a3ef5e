//! Fooocus: `parameters`, or the user comment, is a JSON object, with `fooocus_scheme` as a separate text
//! (modules/meta_parser.py). Its other scheme is A1111's format.

use super::{even_schedule, reason};
use crate::{
    hash::short_hash,
    loras::{lora, number},
    record::{Means, Reading, Record, UNKNOWN, text},
};
use generation::Lora;
use serde_json::{Map, Value};

pub(crate) fn record(object: &Map<String, Value>) -> Option<Record> {
    let has = |name| object.contains_key(name);
    if !(has("base_model") && has("prompt") && (has("performance") || has("metadata_scheme") || has("resolution"))) {
        return None;
    }
    let mut reading = Reading::of("Fooocus");
    reading.take_object(object, |name| Some(means(name)));
    // A file is `["name", weight, "AutoV2"]`; before version 2.4 the only list was `"lora_combined_1": "name : weight"`.
    if has("loras") {
        reading.take_loras("loras", object.get("loras"), |item| {
            let hash = item.get(2).and_then(Value::as_str).and_then(short_hash);
            Some(Lora { hash, ..lora(item.get(0)?.as_str()?, number(item.get(1)?)?) })
        });
    } else {
        for (entry, value) in object.iter().filter(|(name, _)| is_combined(name)) {
            match value.as_str().and_then(|text| text.rsplit_once(" : ")) {
                Some((name, weight)) if weight.trim().parse::<f64>().is_ok() => {
                    reading.take_lora(entry, lora(name, weight.trim().parse().unwrap_or_default()));
                }
                _ => reading.note(entry, &text(value), UNKNOWN),
            }
        }
    }
    let mut record = reading.finish(even_schedule);
    let version = record.program_version.take();
    record.program_version = version.map(|version| version.trim_start_matches("Fooocus ").to_owned());
    Some(record)
}

fn is_combined(name: &str) -> bool {
    name.starts_with("lora_combined_")
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
        "full_prompt" | "full_negative_prompt" | "metadata_scheme" | "created_by" | "loras" => Means::Nothing,
        name if is_combined(name) => Means::Nothing,
        name => Means::Reason(reason(name)),
    }
}
