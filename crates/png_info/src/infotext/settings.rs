//! The meaning of the parameters in A1111's format.

use super::{Infotext, Whole, loras};
use crate::{
    loras::listed,
    names,
    record::{Means, NO_START, Reading, Record, UNKNOWN},
};
use generation::Loras;

const NO_SECOND_PASS: &str = "there is no second pass at a larger size here";
const NO_LORA: &str = "LoRA files are found by the names in the prompt; this is no list of their hashes";

/// The record of a text.
pub(crate) fn record(whole: &Whole) -> Record {
    let text = &whole.text;
    let mut reading = Reading::of(program(text));
    reading.take(Means::Prompt, "Prompt", &text.prompt);
    reading.take(Means::NegativePrompt, "Negative prompt", &text.negative_prompt);
    let is_two_passes = text.pairs.iter().any(|(key, _)| key.starts_with("Hires"));
    let listed = fooocus_loras(text);
    for (key, value, rest) in whole.pairs() {
        let is_list = ["lora hashes", "lora weights"].contains(&key.trim().to_ascii_lowercase().as_str());
        if is_list && let Some(loras) = &listed {
            reading.record().settings.loras = Some(loras.clone());
            continue;
        }
        if key.trim().eq_ignore_ascii_case("lora hashes")
            && let Some(loras) = loras::read(&text.prompt, value)
        {
            reading.record().settings.loras = Some(loras);
            continue;
        }
        let means = match key.trim().to_ascii_lowercase().as_str() {
            "denoising strength" if is_two_passes => Means::Reason(NO_SECOND_PASS),
            "rng" if value.trim().eq_ignore_ascii_case("CPU") => Means::Nothing,
            key => means(key),
        };
        if means.is_number() && !rest.is_empty() {
            let whole = format!("{value},{rest}");
            if rest.starts_with(|c: char| c.is_ascii_digit()) {
                reading.note(key, &whole, "is not one number; write a decimal point");
                continue;
            }
            reading.note(key, &whole, format!("only {value} is applied"));
        }
        reading.take(means, key, version(key, value));
        if means == Means::Strength {
            reading.note(key, value, NO_START);
        }
    }
    reading.finish(names::even_schedule)
}

/// Fooocus has no tags: `Lora weights` is `name: weight, name: weight`, beside `Lora hashes`.
fn fooocus_loras(text: &Infotext) -> Option<Loras> {
    let value = |wanted: &str| {
        text.pairs.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    };
    listed(value("lora weights")?, value("lora hashes").unwrap_or_default())
}

fn means(key: &str) -> Means {
    match key {
        "steps" => Means::Steps,
        "sampler" => Means::Sampler,
        "schedule type" | "scheduler" | "schedule" => Means::Scheduler,
        "cfg scale" | "guidance scale" => Means::CfgScale,
        "cfg rescale" => Means::CfgRescale,
        "seed" => Means::Seed,
        "size" => Means::Size,
        "model" => Means::Model,
        "model hash" => Means::ModelHash,
        "denoising strength" => Means::Strength,
        "version" => Means::Version,
        "app" => Means::Nothing,
        key => Means::Reason(reason(key)),
    }
}

/// Why a parameter is not applied.
fn reason(key: &str) -> &'static str {
    match key {
        "vae" | "vae hash" => "the model's own VAE is used",
        "clip skip" => "SDXL always uses the last layer but one of its text encoders",
        "rng" => "the noise is made as PyTorch makes it on the CPU, and differs",
        "ensd" => "the noise of ancestral samplers begins with the seed itself",
        "lora hashes" | "lora weights" => NO_LORA,
        "ti hashes" => "embeddings are not applied",
        "refiner" | "refiner hash" | "refiner switch at" => "there is no refiner here",
        "template" | "negative template" => "the prompt was made from it",
        "styles" => "styles are not applied",
        key if key.starts_with("hires") || key.starts_with("first pass") => NO_SECOND_PASS,
        key if key.starts_with("civitai") => "describes where the models are from",
        _ => UNKNOWN,
    }
}

/// The program that wrote a text, by the pair `Version` or `App`.
fn program(text: &Infotext) -> &'static str {
    let value = |wanted: &str| text.pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.trim());
    if value("App") == Some("SD.Next") {
        return "SD.Next";
    }
    let named = ["Emberline", "ComfyUI", "Fooocus", "stable-diffusion.cpp"];
    let version = value("Version").unwrap_or_default();
    let is_forge = |version: &str| version.starts_with('f') && version.contains('v') && version.contains('.');
    match named.into_iter().find(|name| version.starts_with(name)) {
        Some(name) => name,
        None if is_forge(version) || version == "neo" => "Forge",
        None => "A1111",
    }
}

/// A version without the program's name in front.
fn version<'a>(key: &str, value: &'a str) -> &'a str {
    let named = ["Emberline ", "Fooocus "];
    let rest = named.into_iter().find_map(|name| value.strip_prefix(name));
    rest.filter(|_| key == "Version").unwrap_or(value)
}
