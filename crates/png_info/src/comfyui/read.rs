//! Reads a graph's settings, from the sampler that starts with an empty latent.

use super::{
    graph::{Graph, Input, Node},
    walk::{Conditioning, Walk},
};
use crate::{
    loras::{lora, lora_with, number},
    names,
    record::{Means, NO_START, Reading, Record},
};
use serde_json::Value;

/// The record of a graph that has a sampler.
pub(super) fn record(graph: &Graph) -> Option<Record> {
    let walk = Walk::new(graph);
    let (id, sampler) = first_pass(graph, &walk)?;
    let mut reading = Reading::of("ComfyUI");
    read_prompts(&mut reading, &walk, sampler);
    read_sampling(&mut reading, &walk, sampler);
    read_latent(&mut reading, &walk, sampler);
    read_model(&mut reading, &walk, sampler);
    for (other, node) in graph.nodes.iter().filter(|(other, node)| *other != id && is_sampler(node)) {
        let value = |name: &str| Some(format!("{name} {}", walk.value(node, name)?));
        let shown: Vec<String> = ["steps", "cfg", "denoise"].into_iter().filter_map(value).collect();
        let name = format!("{} {other}", node.class);
        reading.note(&name, &shown.join(", "), "only the first pass over the picture is applied");
    }
    Some(reading.finish(names::even_schedule))
}

/// Whether a node samples: one of ComfyUI's own samplers, or a node with the same inputs.
fn is_sampler(node: &Node) -> bool {
    let class = node.class.as_str();
    if node.is_bypassed || class == "KSamplerSelect" {
        return false;
    }
    let has = |name: &str| node.inputs.contains_key(name);
    let is_named = class.starts_with("KSampler") || class.starts_with("SamplerCustom");
    is_named || has("latent_image") && has("steps") && has("positive") && has("negative")
}

/// The sampler whose latent does not come from another sampler. If there are several, one whose result is output,
/// otherwise the one with the lowest id.
fn first_pass<'a>(graph: &'a Graph, walk: &Walk<'a>) -> Option<(&'a String, &'a Node)> {
    let mut samplers: Vec<_> = graph.nodes.iter().filter(|(_, node)| is_sampler(node)).collect();
    samplers.sort_by_key(|(id, _)| (id.len(), id.as_str()));
    let is_first = |node: &'a Node| !walk.latents(node).into_iter().any(is_sampler);
    let first: Vec<_> = samplers.iter().copied().filter(|(_, node)| is_first(node)).collect();
    let is_output = |node: &Node| node.class.contains("Save") || node.class.contains("Preview");
    let outputs = graph.nodes.iter().filter(|(_, node)| is_output(node));
    let shown = outputs
        .map(|(id, _)| walk.sources(id))
        .find_map(|sources| first.iter().copied().find(|(id, _)| sources.contains(id.as_str())));
    shown.or_else(|| first.first().copied()).or_else(|| samplers.first().copied())
}

/// The node that an input is linked to, otherwise the sampler itself.
fn part<'a>(walk: &Walk<'a>, sampler: &'a Node, input: &str) -> &'a Node {
    sampler.link(input).and_then(|id| walk.node(id)).unwrap_or(sampler)
}

fn read_prompts(reading: &mut Reading, walk: &Walk<'_>, sampler: &Node) {
    let guider = sampler.link("guider").and_then(|id| walk.node(id));
    let of = |side: &str| {
        let own = walk.conditioning(sampler, side).or_else(|| walk.conditioning(guider?, side));
        // A guider without guidance has only one prompt.
        own.or_else(|| walk.conditioning(guider.filter(|_| side == "positive")?, "conditioning"))
    };
    for (side, means) in [("positive", Means::Prompt), ("negative", Means::NegativePrompt)] {
        let Some(Conditioning { text, is_joined }) = of(side) else { continue };
        reading.take(means, side, &text);
        if is_joined {
            reading.note(side, &text, "several texts are joined by line breaks; ComfyUI encodes them apart");
        }
    }
}

fn read_sampling(reading: &mut Reading, walk: &Walk<'_>, sampler: &Node) {
    let sigmas = part(walk, sampler, "sigmas");
    let places = [
        (Means::Steps, "steps", sigmas),
        (Means::CfgScale, "cfg", part(walk, sampler, "guider")),
        (Means::Sampler, "sampler_name", part(walk, sampler, "sampler")),
        (Means::Scheduler, "scheduler", sigmas),
    ];
    for (means, name, node) in places {
        if let Some(value) = walk.value(node, name) {
            reading.take(means, name, &value);
        } else if matches!(name, "sampler_name" | "scheduler") && !std::ptr::eq(node, sampler) {
            // Nodes that represent one sampler or one schedule.
            reading.take(means, name, &node.class);
        }
    }
    let noise = part(walk, sampler, "noise");
    let seed = ["seed", "noise_seed"].into_iter().find_map(|name| Some((name, walk.value(noise, name)?)));
    if let Some((name, value)) = seed {
        reading.take(Means::Seed, name, &value);
    }
    let denoise = walk.value(sigmas, "denoise").filter(|value| value.parse() != Ok(1.0));
    if let Some(value) = denoise {
        reading.take(Means::Strength, "denoise", &value);
        reading.note("denoise", &value, NO_START);
    }
    let steps = walk.value(sigmas, "steps").and_then(|steps| steps.parse::<u32>().ok());
    let end = walk.value(sampler, "end_at_step").filter(|end| end.parse::<u32>().ok() < steps);
    if let Some(value) = end {
        reading.note("end_at_step", &value, "all steps are taken by one sampler here");
    }
}

fn read_latent(reading: &mut Reading, walk: &Walk<'_>, sampler: &Node) {
    let mut has_size = false;
    for node in walk.latents(sampler) {
        if node.class.starts_with("VAEEncode") {
            return reading.note("latent_image", &node.class, NO_START);
        }
        let side = |name: &str| walk.value(node, name).or_else(|| walk.value(node, &format!("empty_latent_{name}")));
        if let (Some(width), Some(height), false) = (side("width"), side("height"), has_size) {
            reading.take(Means::Width, "width", &width);
            reading.take(Means::Height, "height", &height);
            has_size = true;
        }
    }
}

fn read_model(reading: &mut Reading, walk: &Walk<'_>, sampler: &Node) {
    let mut has_model = false;
    for node in walk.models(sampler) {
        if node.is_bypassed {
            continue;
        }
        read_loras(reading, walk, node);
        let model = ["ckpt_name", "unet_name", "base_ckpt_name"].into_iter().find_map(|name| walk.value(node, name));
        if let (Some(model), false) = (model, has_model) {
            reading.take(Means::Model, "model", &model);
            has_model = true;
        }
    }
}

/// The LoRA files of a loader: ComfyUI's own, or rgthree's with several.
fn read_loras(reading: &mut Reading, walk: &Walk<'_>, node: &Node) {
    let weight = |name: &str| walk.value(node, name).and_then(|value| number(&Value::from(value)));
    if let Some(name) = walk.value(node, "lora_name") {
        let unet_weight = weight("strength_model").or_else(|| weight("strength")).unwrap_or(1.0);
        let is_unet_only = node.class.ends_with("ModelOnly");
        let text_weight = if is_unet_only { 0.0 } else { weight("strength_clip").unwrap_or(unet_weight) };
        reading.take_lora("lora_name", lora_with(&name, unet_weight, text_weight));
    }
    for (entry, input) in node.inputs.iter().filter(|(name, _)| name.starts_with("lora_") && *name != "lora_name") {
        // `lora_1: {"on": true, "lora": ..., "strength": 1, "strengthTwo": null}`, or `lora_01` with `strength_01`.
        match input {
            Input::Value(Value::Object(of)) if of.get("on") != Some(&Value::Bool(false)) => {
                let strength = |name: &str| of.get(name).and_then(number);
                if let (Some(name), Some(unet_weight)) = (of.get("lora").and_then(Value::as_str), strength("strength"))
                {
                    let text_weight = strength("strengthTwo").unwrap_or(unet_weight);
                    reading.take_lora(entry, lora_with(name, unet_weight, text_weight));
                }
            }
            Input::Value(Value::String(name)) => {
                if let Some(weight) = weight(&entry.replacen("lora", "strength", 1)) {
                    reading.take_lora(entry, lora(name, weight));
                }
            }
            _ => {}
        }
    }
}
