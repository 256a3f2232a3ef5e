//! A graph of nodes, from either of ComfyUI's two formats.

use crate::record::text;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An input of a node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    Value(Value),
    /// The output of the node with this id.
    Link(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    pub(super) class: String,
    pub(super) inputs: BTreeMap<String, Input>,
    /// A bypassed node: its input is passed through to its output.
    pub(super) is_bypassed: bool,
}

impl Node {
    /// A string or number entered in the node.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        match self.inputs.get(name)? {
            Input::Value(value) if !value.is_null() && !value.is_array() && !value.is_object() => Some(text(value)),
            _ => None,
        }
    }

    /// The node that an input is linked to.
    pub(super) fn link(&self, name: &str) -> Option<&str> {
        match self.inputs.get(name)? {
            Input::Link(id) => Some(id),
            Input::Value(_) => None,
        }
    }

    /// All linked nodes, with the names of their inputs.
    pub(super) fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.inputs.iter().filter_map(|(name, input)| match input {
            Input::Link(id) => Some((name.as_str(), id.as_str())),
            Input::Value(_) => None,
        })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Graph {
    pub(super) nodes: BTreeMap<String, Node>,
}

/// Values of a drawn node, in the order of `widgets_values`; `-` is not an input.
const WIDGETS: &[(&str, &str)] = &[
    ("KSampler", "seed - steps cfg sampler_name scheduler denoise"),
    (
        "KSamplerAdvanced",
        "add_noise noise_seed - steps cfg sampler_name scheduler start_at_step end_at_step return_with_leftover_noise",
    ),
    ("SamplerCustom", "add_noise noise_seed - cfg"),
    ("RandomNoise", "noise_seed -"),
    ("CFGGuider", "cfg"),
    ("KSamplerSelect", "sampler_name"),
    ("BasicScheduler", "scheduler steps denoise"),
    ("KarrasScheduler", "steps sigma_max sigma_min rho"),
    ("ExponentialScheduler", "steps sigma_max sigma_min"),
    ("CLIPTextEncode", "text"),
    ("CLIPTextEncodeSDXL", "width height crop_w crop_h target_width target_height text_g text_l"),
    ("CLIPTextEncodeSDXLRefiner", "ascore width height text"),
    ("EmptyLatentImage", "width height batch_size"),
    ("EmptySD3LatentImage", "width height batch_size"),
    ("CheckpointLoaderSimple", "ckpt_name"),
    ("CheckpointLoader", "config_name ckpt_name"),
    ("UNETLoader", "unet_name weight_dtype"),
    ("LoraLoader", "lora_name strength_model strength_clip"),
    ("LoraLoaderModelOnly", "lora_name strength_model"),
    ("VAELoader", "vae_name"),
    ("CLIPSetLastLayer", "stop_at_clip_layer"),
    ("PrimitiveNode", "value -"),
];

impl Graph {
    /// Reads the executed format: `{"3": {"class_type": ..., "inputs": {"seed": 5, "model": ["4", 0]}}}`.
    pub(super) fn of_prompt(object: &Map<String, Value>) -> Self {
        let node = |value: &Value| {
            let class = value.get("class_type")?.as_str()?.to_owned();
            let inputs = value.get("inputs")?.as_object()?;
            let inputs = inputs.iter().map(|(name, value)| (name.clone(), input(value))).collect();
            Some(Node { class, inputs, is_bypassed: false })
        };
        Self { nodes: object.iter().filter_map(|(id, value)| Some((id.clone(), node(value)?))).collect() }
    }

    /// Reads the drawn format:
    /// `{"nodes": [{"id": 3, "type": ..., "inputs": [{"name": ..., "link": 7}], "widgets_values": [...]}],
    /// "links": [[7, 4, 0, 3, 0, "MODEL"]]}`.
    pub(super) fn of_workflow(object: &Map<String, Value>) -> Self {
        let list = |name: &str| object.get(name).and_then(Value::as_array).into_iter().flatten();
        let sources: BTreeMap<u64, String> = list("links").filter_map(source).collect();
        let nodes = list("nodes").filter_map(|node| drawn(node, &sources)).collect();
        Self { nodes }
    }
}

fn input(value: &Value) -> Input {
    match value.as_array().map(Vec::as_slice) {
        Some([id @ (Value::String(_) | Value::Number(_)), Value::Number(_)]) => Input::Link(text(id)),
        _ => Input::Value(value.clone()),
    }
}

/// A link's id and the node it starts from.
fn source(link: &Value) -> Option<(u64, String)> {
    let part = |place: usize, name: &str| link.get(place).or_else(|| link.get(name));
    Some((part(0, "id")?.as_u64()?, text(part(1, "origin_id")?)))
}

fn drawn(value: &Value, sources: &BTreeMap<u64, String>) -> Option<(String, Node)> {
    let id = text(value.get("id")?);
    let class = value.get("type")?.as_str()?.to_owned();
    // 2: muted; 4: bypassed.
    let mode = value.get("mode").and_then(Value::as_u64);
    if mode == Some(2) {
        return None;
    }
    let given = || value.get("inputs").and_then(Value::as_array).into_iter().flatten();
    let mut inputs = typed(value, &class);
    for one in given() {
        let source = one.get("link").and_then(Value::as_u64).and_then(|link| sources.get(&link));
        if let (Some(name), Some(source)) = (one.get("name").and_then(Value::as_str), source) {
            inputs.insert(name.to_owned(), Input::Link(source.clone()));
        }
    }
    Some((id, Node { class, inputs, is_bypassed: mode == Some(4) }))
}

/// The values entered in a drawn node.
fn typed(node: &Value, class: &str) -> BTreeMap<String, Input> {
    let values = match node.get("widgets_values") {
        Some(Value::Array(values)) => values,
        Some(Value::Object(values)) => {
            return values.iter().map(|(name, value)| (name.clone(), Input::Value(value.clone()))).collect();
        }
        _ => return BTreeMap::new(),
    };
    let known = WIDGETS.iter().find(|(name, _)| *name == class).map(|(_, names)| *names);
    let names: Vec<&str> = match known {
        Some(names) => names.split(' ').collect(),
        // A single string or number: reroutes of values, literals, notes.
        None if values.len() == 1 => vec!["value"],
        None => return BTreeMap::new(),
    };
    let named = names.into_iter().zip(values).filter(|(name, _)| *name != "-");
    named.map(|(name, value)| (name.to_owned(), Input::Value(value.clone()))).collect()
}
