//! InvokeAI: `invokeai_metadata` since version 3, `sd-metadata` and `Dream` in version 2.

use super::{diffusers_schedule, reason};
use crate::{
    container::Texts,
    json,
    loras::{lora, number},
    record::{Means, Reading, Record, UNKNOWN},
};
use serde_json::{Map, Value};

pub(crate) fn record(texts: &Texts) -> Option<Record> {
    let object = |keyword| json::parse_object(texts.get(keyword)?);
    let metadata = object("invokeai_metadata").map(|metadata| of_core(&metadata));
    metadata
        .or_else(|| of_sd_metadata(&object("sd-metadata")?))
        .or_else(|| of_dream(texts.get("Dream").or_else(|| texts.get("dream"))?))
}

/// The record of an object of version 3 or later, from any field.
pub(crate) fn of_metadata(object: &Map<String, Value>) -> Option<Record> {
    (object.contains_key("positive_prompt") && object.contains_key("app_version")).then(|| of_core(object))
}

fn of_core(object: &Map<String, Value>) -> Record {
    let mut reading = Reading::of("InvokeAI");
    let model = object.get("model").and_then(model_of);
    reading.take_object(object, |name| {
        Some(match name {
            "positive_prompt" => Means::Prompt,
            "negative_prompt" => Means::NegativePrompt,
            "model" if model.is_some() => Means::Nothing,
            "app_version" => Means::Version,
            "generation_mode" => Means::Nothing,
            // In InvokeAI's counting 0 means no skip.
            "cfg_rescale_multiplier" => Means::CfgRescale,
            "clip_skip" if is_zero(object.get(name)) => Means::Nothing,
            "rand_device" if object.get(name).and_then(Value::as_str) == Some("cpu") => Means::Nothing,
            "rand_device" => Means::Reason("the noise is made as PyTorch makes it on the CPU, and differs"),
            "positive_style_prompt" | "negative_style_prompt" => {
                Means::Reason("both text encoders have the same prompt here")
            }
            "scheduler" => Means::Sampler,
            "loras" => Means::Nothing,
            name => common(name).unwrap_or(Means::Reason(reason(name))),
        })
    });
    if let Some(model) = model {
        reading.take(Means::Model, "model", model);
    }
    // A file is `{"model": {"name": ...}, "weight": ...}`, in version 3 `{"lora": {"model_name": ...}, "weight": ...}`.
    reading.take_loras("loras", object.get("loras"), |item| {
        let name = item.get("model").or_else(|| item.get("lora")).and_then(model_of)?;
        Some(lora(name, number(item.get("weight")?)?))
    });
    note_weights(&mut reading);
    reading.finish(diffusers_schedule)
}

/// Names that versions 2 and 3 share.
fn common(name: &str) -> Option<Means> {
    Some(match name {
        "steps" => Means::Steps,
        "cfg_scale" => Means::CfgScale,
        "seed" => Means::Seed,
        "width" => Means::Width,
        "height" => Means::Height,
        "strength" => Means::Strength,
        _ => return None,
    })
}

fn is_zero(value: Option<&Value>) -> bool {
    value.and_then(Value::as_f64) == Some(0.0)
}

/// A model is `{"model_name": ...}` in version 3, `{"name": ...}` later.
fn model_of(model: &Value) -> Option<&str> {
    model.get("name").or_else(|| model.get("model_name"))?.as_str()
}

fn of_sd_metadata(object: &Map<String, Value>) -> Option<Record> {
    let image = object.get("image")?.as_object()?;
    let mut reading = Reading::of("InvokeAI");
    // A list of weighted prompts in some versions.
    let prompt = image.get("prompt")?;
    let prompts: Vec<&str> = match prompt {
        Value::Array(list) => list.iter().filter_map(|part| part.get("prompt")?.as_str()).collect(),
        prompt => prompt.as_str().into_iter().collect(),
    };
    take_prompt(&mut reading, &prompts.join("\n"));
    reading.take_object(image, |name| {
        Some(match name {
            "prompt" | "type" => Means::Nothing,
            "sampler" => Means::Sampler,
            "threshold" | "perlin" if is_zero(image.get(name)) => Means::Nothing,
            name => common(name).unwrap_or(Means::Reason(reason(name))),
        })
    });
    reading.take_object(object, |name| {
        Some(match name {
            "model_weights" => Means::Model,
            "app_version" => Means::Version,
            "image" | "model" | "app_id" => Means::Nothing,
            name => Means::Reason(reason(name)),
        })
    });
    note_weights(&mut reading);
    Some(reading.finish(diffusers_schedule))
}

/// Reads a command of version 2: `"a cat [blurry]" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms`.
fn of_dream(command: &str) -> Option<Record> {
    let (prompt, options) = command.trim().strip_prefix('"')?.rsplit_once('"')?;
    let mut reading = Reading::of("InvokeAI");
    take_prompt(&mut reading, prompt);
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let Some((name, glued)) = word.split_at_checked(2).filter(|_| word.starts_with('-') && !word.starts_with("--"))
        else {
            reading.note(word, "", UNKNOWN);
            continue;
        };
        let value = if glued.is_empty() { words.next().unwrap_or_default() } else { glued };
        let means = match name {
            "-s" => Means::Steps,
            "-S" => Means::Seed,
            "-W" => Means::Width,
            "-H" => Means::Height,
            "-C" => Means::CfgScale,
            "-A" => Means::Sampler,
            "-f" => Means::Strength,
            _ => Means::Reason(UNKNOWN),
        };
        reading.take(means, name, value);
    }
    note_weights(&mut reading);
    Some(reading.finish(diffusers_schedule))
}

/// Version 2 has one prompt; text in square brackets is the negative prompt.
fn take_prompt(reading: &mut Reading, prompt: &str) {
    let (mut positive, mut negative) = (String::new(), Vec::new());
    let mut rest = prompt;
    while let Some((before, behind)) = rest.split_once('[') {
        let Some((inside, behind)) = behind.split_once(']') else { break };
        positive.push_str(before);
        negative.push(inside.trim());
        rest = behind;
    }
    positive.push_str(rest);
    reading.take(Means::Prompt, "prompt", positive.trim());
    reading.take(Means::NegativePrompt, "prompt", &negative.join(" "));
}

/// Its weights are `word++` and `(words)1.3`, which have another meaning in Emberline.
fn note_weights(reading: &mut Reading) {
    let prompt = reading.record().settings.prompt.clone().unwrap_or_default();
    let bytes = prompt.as_bytes();
    let number_behind = bytes.windows(2).any(|pair| pair[0] == b')' && pair[1].is_ascii_digit());
    if number_behind || ["++", "--", ")+", ")-"].iter().any(|mark| prompt.contains(mark)) {
        reading.note("prompt", &prompt, "InvokeAI's weights are taken as words: write (words:1.3)");
    }
}
