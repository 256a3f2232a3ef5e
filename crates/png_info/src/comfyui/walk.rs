//! Follows a graph's links within limits: a malicious graph may have cycles or exponentially many paths.

use super::graph::{Graph, Node};
use std::{cell::Cell, collections::BTreeSet};

/// Work limit for one graph: bytes of copied text, plus `INPUT_WORK` per input of each visited node.
const MAX_WORK: usize = 16 << 20;
const INPUT_WORK: usize = 16;
/// Maximum number of links in a path.
const MAX_DEPTH: u32 = 100;
/// Maximum bytes of a text assembled from several nodes.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Input names under which nodes that only pass on a value have it.
const CARRIED: [&str; 13] = [
    "value",
    "Value",
    "int",
    "float",
    "number",
    "string",
    "STRING",
    "populated_text",
    "text",
    "Text",
    "prompt",
    "seed",
    "noise_seed",
];

/// Input names through which a node gets a latent, or the picture it was encoded from.
const LATENT: [&str; 7] = ["latent_image", "samples", "latent", "LATENT", "pixels", "image", "images"];

/// The text that a conditioning was encoded from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditioning {
    pub(super) text: String,
    /// Whether several texts were joined, which ComfyUI does not encode as one.
    pub(super) is_joined: bool,
}

pub(super) struct Walk<'a> {
    graph: &'a Graph,
    work: Cell<usize>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Self { graph, work: Cell::new(MAX_WORK) }
    }

    /// The node with this id. `None` once the work limit is reached.
    pub(super) fn node(&self, id: &str) -> Option<&'a Node> {
        let node = self.graph.nodes.get(id)?;
        self.spend(INPUT_WORK * (1 + node.inputs.len()))?;
        Some(node)
    }

    fn spend(&self, work: usize) -> Option<()> {
        self.work.set(self.work.get().checked_sub(work)?);
        Some(())
    }

    /// A value entered in a node.
    fn typed(&self, node: &Node, name: &str) -> Option<String> {
        let value = node.value(name)?;
        self.spend(value.len())?;
        Some(value)
    }

    /// The value of an input, entered or linked.
    pub(super) fn value(&self, node: &Node, name: &str) -> Option<String> {
        self.value_within(node, name, MAX_DEPTH)
    }

    fn value_within(&self, node: &Node, name: &str, depth: u32) -> Option<String> {
        if let Some(value) = self.typed(node, name) {
            return Some(value);
        }
        self.carried(self.node(node.link(name)?)?, name, depth.checked_sub(1)?)
    }

    /// The value that a node passes to an input with this name.
    fn carried(&self, node: &Node, name: &str, depth: u32) -> Option<String> {
        if node.class.to_lowercase().contains("concat") {
            return self.concatenated(node, depth);
        }
        let named = std::iter::once(name).chain(CARRIED).find_map(|name| self.value_within(node, name, depth));
        named.or_else(|| self.carried(self.only_link(node)?, name, depth.checked_sub(1)?))
    }

    /// The text of a node that joins texts: `string_a`, `string_b`, `delimiter`, or similar names.
    fn concatenated(&self, node: &Node, depth: u32) -> Option<String> {
        let is_part = |name: &&String| name.starts_with("text") || name.starts_with("string");
        let parts = node.inputs.keys().filter(is_part).filter_map(|name| self.value_within(node, name, depth));
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        let joined = parts.join(&node.value("delimiter").unwrap_or_else(|| ", ".to_owned()));
        (!parts.is_empty() && joined.len() <= MAX_TEXT_BYTES).then_some(joined)
    }

    fn only_link(&self, node: &Node) -> Option<&'a Node> {
        let mut links = node.links();
        let (_, id) = links.next()?;
        if links.next().is_some() { None } else { self.node(id) }
    }

    /// The text of an input that takes conditioning, such as `positive` or `negative` of a sampler.
    pub(super) fn conditioning(&self, node: &Node, side: &str) -> Option<Conditioning> {
        self.conditioning_within(self.node(node.link(side)?)?, side, MAX_DEPTH)
    }

    fn conditioning_within(&self, node: &Node, side: &str, depth: u32) -> Option<Conditioning> {
        let depth = depth.checked_sub(1)?;
        if node.class == "ConditioningZeroOut" {
            return Some(Conditioning::default());
        }
        if !node.is_bypassed
            && let Some(encoded) = self.encoded(node, side, depth)
        {
            return Some(encoded);
        }
        // A node that modifies conditioning: follow the same side, otherwise the conditioning it is made from.
        let same_side = node.links().filter(|(name, _)| *name == side);
        let other = node.links().filter(|(name, _)| name.to_lowercase().starts_with("conditioning"));
        let ids: Vec<&str> = match same_side.map(|(_, id)| id).next() {
            Some(id) => vec![id],
            None => other.map(|(_, id)| id).collect(),
        };
        if ids.is_empty() {
            return self.conditioning_within(self.only_link(node)?, side, depth);
        }
        let parts = ids.into_iter().filter_map(|id| self.conditioning_within(self.node(id)?, side, depth));
        parts.reduce(joined)
    }

    /// The text of a node that encodes text.
    fn encoded(&self, node: &Node, side: &str, depth: u32) -> Option<Conditioning> {
        let text = |name: &str| self.value_within(node, name, depth);
        let whole = |text| Conditioning { text, is_joined: false };
        // One text per encoder.
        if let Some(g) = text("text_g") {
            let l = text("text_l").unwrap_or_default();
            let is_one = l.trim().is_empty() || l.trim() == g.trim();
            return Some(if is_one { whole(g) } else { joined(whole(g), whole(l)) });
        }
        let names = ["text", "prompt", "t5xxl"];
        let typed = names.into_iter().find_map(text);
        // Loaders that also encode have the texts of both sides as inputs.
        typed.or_else(|| self.typed(node, side)).map(whole)
    }

    /// The nodes on the path of a node's latent, nearest first.
    pub(super) fn latents(&self, node: &'a Node) -> Vec<&'a Node> {
        let (mut way, mut seen, mut at) = (Vec::new(), BTreeSet::new(), node);
        while let Some(id) = LATENT.iter().find_map(|name| at.link(name)).or_else(|| single_link(at)) {
            let Some(next) = self.node(id).filter(|_| seen.insert(id)) else { break };
            way.push(next);
            at = next;
        }
        way
    }

    /// The nodes on the path of a node's model, nearest first.
    pub(super) fn models(&self, node: &'a Node) -> Vec<&'a Node> {
        let (mut way, mut seen, mut at) = (Vec::new(), BTreeSet::new(), node);
        let model = |node: &'a Node| ["model", "MODEL", "base_model", "guider"].iter().find_map(|name| node.link(name));
        while let Some(id) = model(at).or_else(|| single_link(at).filter(|_| !way.is_empty())) {
            let Some(next) = self.node(id).filter(|_| seen.insert(id)) else { break };
            way.push(next);
            at = next;
        }
        way
    }

    /// All nodes that a node depends on, including itself.
    pub(super) fn sources(&self, id: &'a str) -> BTreeSet<&'a str> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(id) = open.pop() {
            if let Some(node) = self.node(id).filter(|_| seen.insert(id)) {
                open.extend(node.links().map(|(_, id)| id));
            }
        }
        seen
    }
}

fn single_link(node: &Node) -> Option<&str> {
    let mut links = node.links();
    let (_, id) = links.next()?;
    if links.next().is_some() { None } else { Some(id) }
}

fn joined(mut one: Conditioning, other: Conditioning) -> Conditioning {
    if !other.text.is_empty() && one.text.len() + other.text.len() < MAX_TEXT_BYTES {
        one.is_joined |= other.is_joined || !one.text.is_empty();
        if !one.text.is_empty() {
            one.text.push('\n');
        }
        one.text.push_str(&other.text);
    }
    one
}
