//! Describes a LoRA file for people, without a checkpoint.

use super::{
    file::LoraFile,
    foreign::foreign,
    keys::{Kind, Role, part_of, split, unsupported},
};
use crate::{
    Dtype, Error, LoraError, Part,
    safetensors::{Tensor, one_line},
};
use serde::Serialize;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// How many trigger words are listed. Files list every caption tag of their training pictures, often thousands.
const TRIGGER_WORDS: usize = 20;

/// A kind of change in a LoRA file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoraKind {
    /// Two matrices.
    Lora,
    /// The same for convolutions.
    Locon,
    /// The product of two such pairs, value by value.
    Loha,
    /// A Kronecker product.
    Lokr,
    /// Whole differences.
    Full,
    /// Differences of norms or biases only.
    Norm,
}

/// A word or phrase from the training captions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TriggerWord {
    /// The text.
    pub text: String,
    /// In how many captions it is; `None` for a phrase that the author gives.
    pub count: Option<u64>,
}

/// The model that a LoRA was made for, and where that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoraBase {
    /// The model: `SDXL`, `Flux`, or the metadata's own word.
    pub model: String,
    /// A metadata key with its value, or the tensor that shows it.
    pub evidence: String,
}

/// Description of a LoRA file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoraReport {
    /// The file.
    pub path: PathBuf,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// The kinds of change, the most frequent first.
    pub kinds: Vec<LoraKind>,
    /// Whether sums are normalised (DoRA).
    pub dora: bool,
    /// All ranks that occur, ascending.
    pub ranks: Vec<usize>,
    /// Number of changed layers in each network.
    pub parts: BTreeMap<Part, usize>,
    /// Number of changed layers.
    pub layers: usize,
    /// Number types of the tensors, with numbers of values.
    pub dtypes: BTreeMap<Dtype, u64>,
    /// The model that it was made for.
    pub base: Option<LoraBase>,
    /// The checkpoint that it was trained on (`ss_sd_model_name`).
    pub trained_on: Option<String>,
    /// The author's trigger phrase, then the most frequent tags of the training captions; at most twenty.
    pub trigger_words: Vec<TriggerWord>,
    /// `modelspec.title`.
    pub title: Option<String>,
    /// `modelspec.author`.
    pub author: Option<String>,
    /// Size of the training pictures: `modelspec.resolution` or `ss_resolution`.
    pub resolution: Option<String>,
    /// The name that the trainer gave the file (`ss_output_name`).
    pub output_name: Option<String>,
    /// Names of embeddings inside the file.
    pub embeddings: Vec<String>,
    /// Why it cannot be used with SDXL, as far as the file alone shows it.
    pub problem: Option<String>,
}

impl LoraReport {
    /// Describes a LoRA file from its header.
    ///
    /// # Errors
    /// The same as [`LoraFile::open`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self::of(&LoraFile::open(path)?))
    }

    /// Describes an open LoRA file, from its header alone.
    pub fn of(lora: &LoraFile) -> Self {
        let layers = Layers::of(lora.tensors());
        let said =
            |key: &str| lora.metadata().get(key).filter(|text| !text.trim().is_empty()).map(|text| one_line(text));
        let mut dtypes = BTreeMap::new();
        for tensor in lora.tensors() {
            *dtypes.entry(tensor.dtype).or_insert(0) += tensor.elements();
        }
        let foreign = foreign(lora.tensors());
        let unsupported = || lora.tensors().iter().find_map(|tensor| Some((unsupported(&tensor.name)?, tensor)));
        let problem = foreign.clone().or_else(|| {
            unsupported().map(|(kind, tensor)| LoraError::Unsupported { kind, tensor: tensor.name.clone() })
        });
        Self {
            path: lora.path().to_owned(),
            bytes: lora.bytes(),
            kinds: layers.kinds(),
            dora: layers.dora,
            ranks: layers.ranks.iter().copied().collect(),
            layers: layers.bases.len(),
            parts: layers.parts(),
            dtypes,
            base: base(lora, foreign),
            trained_on: said("ss_sd_model_name"),
            trigger_words: trigger_words(lora.metadata()),
            title: said("modelspec.title"),
            author: said("modelspec.author"),
            resolution: said("modelspec.resolution").or_else(|| said("ss_resolution")),
            output_name: said("ss_output_name"),
            embeddings: lora.bundles().into_keys().map(one_line).collect(),
            problem: problem.map(|problem| problem.to_string()),
        }
    }
}

/// What the tensor names show.
#[derive(Default)]
struct Layers<'a> {
    bases: BTreeSet<&'a str>,
    kinds: BTreeMap<LoraKind, usize>,
    ranks: BTreeSet<usize>,
    dora: bool,
}

impl<'a> Layers<'a> {
    fn of(tensors: &'a [Tensor]) -> Self {
        let mut layers = Self::default();
        for tensor in tensors {
            let Some((base, role)) = split(&tensor.name) else { continue };
            layers.bases.insert(base);
            layers.dora |= matches!(role, Role::DoraScale | Role::Magnitude);
            if matches!(role, Role::Down | Role::HadaW1B | Role::LokrW1B | Role::LokrW2B) {
                layers.ranks.extend(tensor.shape.first());
            }
            let kind = match (role, role.kind()) {
                (Role::Down, _) if tensor.shape.iter().skip(2).any(|&side| side > 1) => LoraKind::Locon,
                (Role::Mid, _) => LoraKind::Locon,
                (Role::Down, _) => LoraKind::Lora,
                (Role::HadaW1B, _) => LoraKind::Loha,
                (Role::LokrW2 | Role::LokrW2B, _) => LoraKind::Lokr,
                (_, Some(Kind::Full)) if tensor.shape.len() > 1 => LoraKind::Full,
                (Role::Diff | Role::DiffBias, _) => LoraKind::Norm,
                _ => continue,
            };
            *layers.kinds.entry(kind).or_insert(0) += 1;
        }
        layers
    }

    fn kinds(&self) -> Vec<LoraKind> {
        let mut kinds: Vec<_> = self.kinds.iter().map(|(kind, count)| (Reverse(*count), *kind)).collect();
        kinds.sort();
        kinds.into_iter().map(|(_, kind)| kind).collect()
    }

    fn parts(&self) -> BTreeMap<Part, usize> {
        let mut parts = BTreeMap::new();
        for part in self.bases.iter().filter_map(|base| part_of(base)) {
            *parts.entry(part).or_insert(0) += 1;
        }
        parts
    }
}

/// The model that a LoRA was made for: from tensors that only another model has, from metadata, or from tensors that only
/// SDXL has.
fn base(lora: &LoraFile, foreign: Option<LoraError>) -> Option<LoraBase> {
    if let Some(LoraError::Foreign { model, evidence }) = foreign {
        return Some(LoraBase { model: model.to_owned(), evidence });
    }
    for key in ["modelspec.architecture", "ss_base_model_version"] {
        if let Some(text) = lora.metadata().get(key).filter(|text| !text.trim().is_empty()) {
            let is_sdxl = text.starts_with("sdxl") || text.starts_with("stable-diffusion-xl");
            let model = if is_sdxl { "SDXL".to_owned() } else { one_line(text) };
            return Some(LoraBase { model, evidence: format!("{key}: {}", one_line(text)) });
        }
    }
    let of_sdxl = |tensor: &&Tensor| {
        let Some((base, role)) = split(&tensor.name) else { return false };
        // The width of both text encoders together.
        let keys = base.ends_with("attn2_to_k") || base.ends_with("attn2.to_k");
        let reads_prompt = matches!(role, Role::Down | Role::HadaW1B) && keys && tensor.shape.get(1) == Some(&2048);
        part_of(base) == Some(Part::TextEncoder2) || reads_prompt
    };
    let tensor = lora.tensors().iter().find(of_sdxl)?;
    Some(LoraBase { model: "SDXL".to_owned(), evidence: tensor.name.clone() })
}

/// `modelspec.trigger_phrase`, then the most frequent tags of the training captions.
fn trigger_words(metadata: &BTreeMap<String, String>) -> Vec<TriggerWord> {
    let phrase = metadata.get("modelspec.trigger_phrase").map(|text| text.trim()).filter(|text| !text.is_empty());
    let mut words: Vec<TriggerWord> =
        phrase.map(|text| TriggerWord { text: one_line(text), count: None }).into_iter().collect();
    let left = TRIGGER_WORDS.saturating_sub(words.len());
    let tags = trained_tags(metadata).into_iter().take(left);
    words.extend(tags.map(|(tag, count)| TriggerWord { text: one_line(&tag), count: Some(count) }));
    words
}

/// The tags of a LoRA's training captions with the number of captions, the most frequent first: kohya's `ss_tag_frequency`,
/// which counts them in each folder of training pictures.
pub fn trained_tags(metadata: &BTreeMap<String, String>) -> Vec<(String, u64)> {
    let folders = metadata.get("ss_tag_frequency").map(|text| serde_json::from_str(text));
    let folders: BTreeMap<String, BTreeMap<String, u64>> = folders.and_then(Result::ok).unwrap_or_default();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (tag, count) in folders.values().flatten() {
        let total = counts.entry(tag.trim()).or_insert(0);
        *total = total.saturating_add(*count);
    }
    let mut tags: Vec<_> = counts.into_iter().filter(|(tag, _)| !tag.is_empty()).collect();
    tags.sort_by_key(|(tag, count)| (Reverse(*count), *tag));
    tags.into_iter().map(|(tag, count)| (tag.to_owned(), count)).collect()
}
