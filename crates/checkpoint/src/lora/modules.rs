//! Every layer of a checkpoint under all names that LoRA files use for it.
//!
//! Flattened names (`.` replaced by `_`) are looked up and never turned back: `to_out_0` and `proj_in` contain `_`
//! themselves.

use crate::{Part, Shape};
use std::collections::{BTreeMap, HashMap};

/// A layer of the checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Module {
    pub part: Part,
    /// diffusers' or transformers' path.
    pub path: String,
    /// The weight's shape.
    pub weight: Vec<usize>,
    /// Length of the bias, if the layer has one.
    pub bias: Option<usize>,
}

/// A layer found by its name in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Index into [`Modules::all`].
    pub module: usize,
    /// Whether the name has LDM's block numbers.
    pub ldm: bool,
}

/// All layers of a checkpoint's UNet and text encoders.
pub(super) struct Modules {
    pub all: Vec<Module>,
    names: HashMap<String, Found>,
}

/// The beginnings of text encoder layers' names: flattened, and dotted.
const TEXT: [(Part, &[&str], &[&str]); 2] = [
    (
        Part::TextEncoder,
        &["lora_te1_", "lycoris_text_encoder_"],
        &["text_encoder.", "text_encoders.clip_l.transformer."],
    ),
    (
        Part::TextEncoder2,
        &["lora_te2_", "lycoris_text_encoder_2_"],
        &["text_encoder_2.", "text_encoders.clip_g.transformer."],
    ),
];
/// The beginning of a text encoder's layers in a file of the LyCORIS wrapper around that encoder alone. Both encoders have
/// such layers.
const EITHER_ENCODER: &str = "lycoris_text_model_";
/// What peft's own save puts before a path, or between the part and the path.
const PEFT: &str = "base_model.model.";

impl Modules {
    /// Lists the layers of a checkpoint. Names that both text encoders' layers can have belong to the encoder `alone`.
    pub(super) fn of(shapes: &BTreeMap<Part, Shape>, alone: Part) -> Self {
        let mut modules = Self { all: Vec::new(), names: HashMap::new() };
        for part in [Part::Unet, Part::TextEncoder, Part::TextEncoder2] {
            let expected = shapes.get(&part).map(Shape::expected).unwrap_or_default();
            let biases: BTreeMap<&str, usize> =
                expected.iter().filter_map(|p| Some((p.target.strip_suffix(".bias")?, *p.shape.first()?))).collect();
            for parameter in &expected {
                let Some(path) = parameter.target.strip_suffix(".weight") else { continue };
                let index = modules.all.len();
                let bias = biases.get(path).copied();
                modules.all.push(Module { part, path: path.to_owned(), weight: parameter.shape.clone(), bias });
                match part {
                    Part::Unet => modules.name_unet(index, path, parameter.ldm.strip_suffix(".weight")),
                    _ => modules.name_text(index, part, path, part == alone),
                }
            }
        }
        modules
    }

    fn name_unet(&mut self, module: usize, path: &str, ldm: Option<&str>) {
        let named = |ldm| Found { module, ldm };
        let flat = flat(path);
        // lycoris_ is the LyCORIS wrapper's own prefix, which SimpleTuner uses.
        self.add(format!("lora_unet_{flat}"), named(false));
        self.add(format!("lycoris_{flat}"), named(false));
        for path in diffusers_spellings(path) {
            self.add(format!("unet.{path}"), named(false));
            self.add(path, named(false));
        }
        if let Some(ldm) = ldm {
            self.add(format!("lora_unet_{}", self::flat(ldm)), named(true));
            self.add(format!("diffusion_model.{ldm}"), named(true));
            self.add(format!("model.diffusion_model.{ldm}"), named(true));
        }
    }

    fn name_text(&mut self, module: usize, part: Part, path: &str, is_alone: bool) {
        let found = Found { module, ldm: false };
        if is_alone {
            self.add(format!("lycoris_{}", flat(path)), found);
        }
        let Some((_, flattened, dotted)) = TEXT.iter().find(|(of, ..)| *of == part) else { return };
        // transformers 5 has no `text_model` around CLIPTextModel's layers.
        for path in [Some(path), path.strip_prefix("text_model.")].into_iter().flatten() {
            for prefix in *flattened {
                self.add(format!("{prefix}{}", flat(path)), found);
            }
            for path in text_spellings(path) {
                for prefix in *dotted {
                    self.add(format!("{prefix}{path}"), found);
                }
            }
        }
    }

    /// Adds a name. Two layers with one name would make it ambiguous: then neither has it.
    fn add(&mut self, name: String, found: Found) {
        if let Some(other) = self.names.insert(name.clone(), found)
            && other.module != found.module
        {
            self.names.remove(&name);
        }
    }

    /// The layer with this name in a LoRA file.
    pub(super) fn find(&self, base: &str) -> Option<Found> {
        if let Some(found) = self.names.get(base) {
            return Some(*found);
        }
        let (before, after) = base.split_once(PEFT)?;
        self.names.get(&format!("{before}{after}")).copied()
    }
}

/// Whether the layer with this name in a file may be of either text encoder.
pub(super) fn is_of_either(base: &str) -> bool {
    base.starts_with(EITHER_ENCODER)
}

fn flat(path: &str) -> String {
    path.replace('.', "_")
}

/// A UNet layer's path, and the paths of diffusers' older attention processors.
fn diffusers_spellings(path: &str) -> Vec<String> {
    let mut spellings = vec![path.to_owned()];
    if let Some((attention, layer)) = path.rsplit_once(".to_") {
        let layer = layer.strip_suffix(".0").unwrap_or(layer);
        spellings.push(format!("{attention}.processor.to_{layer}"));
        if layer == "out" {
            spellings.push(format!("{attention}.to_out"));
        }
    }
    spellings
}

/// A text encoder layer's path, and the names that diffusers' older attention processors gave to its projections.
fn text_spellings(path: &str) -> Vec<String> {
    let mut spellings = vec![path.to_owned()];
    if let Some(projection) = path.rsplit_once(".self_attn.").and_then(|(_, layer)| layer.strip_suffix("_proj")) {
        spellings.push(path.replace(&format!("{projection}_proj"), &format!("to_{projection}")));
    }
    spellings
}
