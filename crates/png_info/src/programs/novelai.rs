//! NovelAI: `Software` is its name, `Description` the prompt, `Comment` a JSON object. In WebP files the user comment
//! is one JSON object with these three.

use super::{even_schedule, reason, text_at};
use crate::{
    container::Texts,
    json,
    record::{Means, Reading, Record},
};
use serde_json::{Map, Value};

pub(crate) fn record(texts: &Texts) -> Option<Record> {
    let comment = json::parse_object(texts.get("Comment")?)?;
    if texts.get("Software") != Some("NovelAI") && !is_comment(&comment) {
        return None;
    }
    Some(read(&comment, texts.get("Description"), texts.get("Source")))
}

/// The record of a user comment's object, or of NovelAI's own.
pub(crate) fn of_comment(object: &Map<String, Value>) -> Option<Record> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    match text("Software") {
        Some("NovelAI") => Some(read(&json::parse_object(text("Comment")?)?, text("Description"), text("Source"))),
        _ => is_comment(object).then(|| read(object, None, None)),
    }
}

fn is_comment(object: &Map<String, Value>) -> bool {
    object.contains_key("uc") && object.contains_key("scale") && object.contains_key("noise_schedule")
        || object.contains_key("v4_prompt")
}

fn read(comment: &Map<String, Value>, description: Option<&str>, source: Option<&str>) -> Record {
    let mut reading = Reading::of("NovelAI");
    reading.record().settings.prompt = description.map(str::to_owned);
    reading.take_object(comment, |name| Some(means(name, comment)));
    // Version 4 stores its prompts in captions, one per character.
    for (name, means) in [("v4_prompt", Means::Prompt), ("v4_negative_prompt", Means::NegativePrompt)] {
        let Some(caption) = comment.get(name) else { continue };
        if let Some(text) = text_at(caption, &["caption", "base_caption"]).filter(|text| !text.is_empty()) {
            reading.take(means, name, text);
        }
        let characters = caption.pointer("/caption/char_captions").and_then(Value::as_array);
        for character in characters.into_iter().flatten().filter_map(|one| one.get("char_caption")?.as_str()) {
            if !character.is_empty() {
                reading.note("char_caption", character, "there are no prompts for single characters here");
            }
        }
    }
    let prompt = reading.record().settings.prompt.clone().unwrap_or_default();
    if prompt.contains(['{', '}']) || prompt.contains("::") {
        reading.note("prompt", &prompt, "NovelAI's weights are taken as words: write (words:1.05)");
    }
    let mut record = reading.finish(even_schedule);
    record.program_version = source.map(str::to_owned);
    record
}

fn means(name: &str, comment: &Map<String, Value>) -> Means {
    let number = |wanted: f64| comment.get(name).and_then(Value::as_f64) == Some(wanted);
    match name {
        "prompt" => Means::Prompt,
        "uc" => Means::NegativePrompt,
        "steps" => Means::Steps,
        "scale" => Means::CfgScale,
        "seed" => Means::Seed,
        "width" => Means::Width,
        "height" => Means::Height,
        "sampler" => Means::Sampler,
        "noise_schedule" => Means::Scheduler,
        "strength" if comment.contains_key("image") => Means::Strength,
        "cfg_rescale" => Means::CfgRescale,
        "uncond_scale" if number(0.0) => Means::Nothing,
        "uncond_scale" | "controlnet_strength" if number(1.0) => Means::Nothing,
        "v4_prompt" | "v4_negative_prompt" | "signed_hash" | "request_type" | "n_samples" | "version" | "legacy"
        | "extra_noise_seed" => Means::Nothing,
        name => Means::Reason(reason(name)),
    }
}
