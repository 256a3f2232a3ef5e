//! Describes a file from its header.

use crate::{CheckpointFacts, Facts, walk::Found};
use checkpoint::{LoraFile, Part, Tensor};
use generation::Distillation;
use protocol::LibraryKind;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// Maximum length of a text from a header, in characters.
const TEXT_CHARS: usize = 200;

/// Maximum number of trigger words.
const WORDS: usize = 16;

/// Reads the headers of a checkpoint.
pub trait ReadCheckpoint: Send + Sync {
    /// What a checkpoint's headers say; the reason if it cannot be loaded, in one line that may begin with the path.
    ///
    /// # Errors
    /// It is no checkpoint that can be loaded.
    fn read(&self, path: &Path) -> Result<CheckpointFacts, String>;
}

/// Describes a file. Reads its header only.
pub(crate) fn describe(found: &Found, read: &dyn ReadCheckpoint) -> Facts {
    let of_folder = found.kind.unwrap_or(LibraryKind::Checkpoint);
    if let Some(problem) = found.problem.clone() {
        return Facts { problem: Some(problem), ..Facts::new(of_folder) };
    }
    let stem = stem(&found.file, found.is_folder);
    if found.is_folder {
        return checkpoint(found, &stem, &BTreeMap::new(), read);
    }
    let file = match LoraFile::open(&found.path) {
        Ok(file) => file,
        Err(error) => return Facts { problem: Some(reason(&found.path, &error)), ..Facts::new(of_folder) },
    };
    let metadata = file.metadata();
    let facts = match kind_of(file.tensors()).unwrap_or(of_folder) {
        LibraryKind::Checkpoint => return checkpoint(found, &stem, metadata, read),
        LibraryKind::Lora => lora(file.tensors()),
        LibraryKind::Embedding => embedding(file.tensors()),
        LibraryKind::Vae => vae(&found.path),
        LibraryKind::Upscaler => {
            let problem = Some("upscalers cannot be used yet".to_owned());
            Facts { problem, ..Facts::new(LibraryKind::Upscaler) }
        }
    };
    with_metadata(facts, &stem, metadata)
}

/// The file's name without its extension.
pub(crate) fn stem(file: &str, is_folder: bool) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.rsplit_once('.').filter(|(stem, _)| !is_folder && !stem.is_empty());
    stem.map_or(name, |(stem, _)| stem).to_owned()
}

/// The kind that the tensors' names tell; none if they do not.
fn kind_of(tensors: &[Tensor]) -> Option<LibraryKind> {
    const LORA: [&str; 12] = [
        "lora_down.",
        "lora_up.",
        "lora.down.",
        "lora.up.",
        "lora_A.",
        "lora_B.",
        "hada_w1",
        "lokr_w",
        "lora_unet_",
        "lora_te",
        "dora_scale",
        "oft_blocks",
    ];
    const EMBEDDING: [&str; 5] = ["emb_params", "clip_l", "clip_g", "text_encoders_0", "text_encoders_1"];
    let is_lora = |tensor: &Tensor| LORA.iter().any(|mark| tensor.name.contains(mark));
    if tensors.iter().any(is_lora) {
        return Some(LibraryKind::Lora);
    }
    if !tensors.is_empty() && tensors.iter().all(|tensor| EMBEDDING.contains(&tensor.name.as_str())) {
        return Some(LibraryKind::Embedding);
    }
    let has = |name: &str| tensors.iter().any(|tensor| tensor.name == name);
    let has_unet = tensors.iter().any(|tensor| tensor.name.starts_with("model.diffusion_model."));
    let is_vae = has("decoder.conv_in.weight") || has("first_stage_model.decoder.conv_in.weight");
    if is_vae && !has_unet {
        return Some(LibraryKind::Vae);
    }
    has_unet.then_some(LibraryKind::Checkpoint)
}

fn checkpoint(found: &Found, stem: &str, metadata: &BTreeMap<String, String>, read: &dyn ReadCheckpoint) -> Facts {
    let mut facts = Facts::new(LibraryKind::Checkpoint);
    match read.read(&found.path) {
        Ok(checkpoint) => {
            facts.family = Some(checkpoint.family.clone());
            facts.checkpoint = Some(checkpoint);
        }
        Err(why) => facts.problem = Some(one_line(without_path(&found.path, &why))),
    }
    with_metadata(facts, stem, metadata)
}

fn vae(path: &Path) -> Facts {
    let opened = checkpoint::Checkpoint::open_part(Part::Vae, path, &checkpoint::OpenOptions::default());
    let problem = opened.and_then(|vae| vae.plan(Part::Vae)).err().map(|error| reason(path, &error));
    Facts { problem, ..Facts::new(LibraryKind::Vae) }
}

/// A LoRA's method, rank and family, by the names and shapes of its tensors.
fn lora(tensors: &[Tensor]) -> Facts {
    let has = |mark: &str| tensors.iter().any(|tensor| tensor.name.contains(mark));
    let method = match () {
        () if has("oft_blocks") => "OFT",
        () if has("hada_w1") => "LoHa",
        () if has("lokr_w") => "LoKr",
        () if has("dora_scale") || has("lora_magnitude_vector") => "DoRA",
        () if has("lora_mid") => "LoCon",
        () => "LoRA",
    };
    let downs = [".lora_down.weight", ".lora.down.weight", ".lora_A.weight", ".lora_A.default.weight", "hada_w1_b"];
    let is_down = |tensor: &&Tensor| downs.iter().any(|end| tensor.name.ends_with(end));
    let rank = tensors.iter().filter(is_down).filter_map(|tensor| tensor.shape.first()).max();
    let details = match rank {
        Some(rank) => format!("{method}, rank {rank}"),
        None => method.to_owned(),
    };
    let family = family(tensors);
    let problem = match family {
        _ if method == "OFT" => Some("is an OFT, which cannot be used".to_owned()),
        Some("sdxl") | None => None,
        Some(family) => Some(format!("is for {family}, not for SDXL")),
    };
    Facts { details: Some(details), family: family.map(str::to_owned), problem, ..Facts::new(LibraryKind::Lora) }
}

/// The family of models that a LoRA is for: the width of the prompts that its cross-attention reads tells it.
fn family(tensors: &[Tensor]) -> Option<&'static str> {
    let has = |mark: &str| tensors.iter().any(|tensor| tensor.name.contains(mark));
    if has("double_blocks") || has("single_transformer_blocks") {
        return Some("Flux");
    }
    if has("joint_blocks") {
        return Some("Stable Diffusion 3");
    }
    let reads_prompt = |tensor: &&Tensor| {
        let name = tensor.name.replace('.', "_");
        name.contains("attn2_to_k")
            && (name.contains("lora_down") || name.contains("lora_A") || name.contains("hada_w1_b"))
    };
    match tensors.iter().find(reads_prompt).and_then(|tensor| tensor.shape.get(1)) {
        Some(2048) => Some("sdxl"),
        Some(768) => Some("Stable Diffusion 1"),
        Some(1024) => Some("Stable Diffusion 2"),
        Some(1280) => Some("the SDXL refiner"),
        _ => None,
    }
}

/// An embedding's number of vectors. Both text encoders need one, with as many vectors.
fn embedding(tensors: &[Tensor]) -> Facts {
    let vectors = |names: [&str; 2]| {
        let found = tensors.iter().find(|tensor| names.contains(&tensor.name.as_str()));
        found.and_then(|tensor| tensor.shape.first()).copied()
    };
    let (first, second) = (vectors(["clip_l", "text_encoders_0"]), vectors(["clip_g", "text_encoders_1"]));
    let problem = match (first, second) {
        (Some(first), Some(second)) if first == second => None,
        (Some(first), Some(second)) => {
            Some(format!("has {first} vectors for one text encoder and {second} for the other"))
        }
        _ => Some("has vectors for one text encoder only; SDXL needs both".to_owned()),
    };
    let count = first.or(second).or_else(|| tensors.first()?.shape.first().copied());
    let details = count.map(|count| format!("{count} {}", if count == 1 { "vector" } else { "vectors" }));
    let family = problem.is_none().then(|| "sdxl".to_owned());
    Facts { details, family, problem, ..Facts::new(LibraryKind::Embedding) }
}

fn with_metadata(facts: Facts, stem: &str, metadata: &BTreeMap<String, String>) -> Facts {
    let text = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| metadata.get(*key));
        found.map(|text| one_line(text)).filter(|text| !text.is_empty() && text != "None")
    };
    Facts {
        title: text(&["modelspec.title"]),
        author: text(&["modelspec.author"]),
        base: text(&["ss_sd_model_name", "ss_base_model_version"]),
        alias: text(&["ss_output_name"]),
        trigger_words: trigger_words(metadata),
        distillation: Distillation::detect(stem, metadata).map(|it| it.as_str().to_owned()),
        ..facts
    }
}

/// The words in `modelspec.trigger_phrase`, otherwise kohya's most frequent tags.
fn trigger_words(metadata: &BTreeMap<String, String>) -> Vec<String> {
    if let Some(phrase) = metadata.get("modelspec.trigger_phrase").filter(|phrase| !phrase.trim().is_empty()) {
        return phrase.split(',').map(one_line).filter(|word| !word.is_empty()).take(WORDS).collect();
    }
    type Tags = HashMap<String, HashMap<String, u64>>;
    let tags = metadata.get("ss_tag_frequency").and_then(|text| serde_json::from_str::<Tags>(text).ok());
    let mut counts: HashMap<String, u64> = HashMap::new();
    for (tag, count) in tags.unwrap_or_default().into_values().flatten() {
        let sum = counts.entry(one_line(&tag)).or_default();
        *sum = sum.saturating_add(count);
    }
    let mut counts: Vec<_> = counts.into_iter().filter(|(tag, _)| !tag.is_empty()).collect();
    counts.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
    counts.into_iter().take(WORDS).map(|(tag, _)| tag).collect()
}

fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(TEXT_CHARS).collect()
}

fn reason(path: &Path, error: &checkpoint::Error) -> String {
    one_line(without_path(path, &error.to_string()))
}

/// The reason without the path that errors begin with.
fn without_path<'a>(path: &Path, why: &'a str) -> &'a str {
    let rest = why.strip_prefix(&path.display().to_string()).unwrap_or(why);
    rest.trim_start_matches([':', ' ', '/', std::path::MAIN_SEPARATOR])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoCheckpoint;

    impl ReadCheckpoint for NoCheckpoint {
        fn read(&self, path: &Path) -> Result<CheckpointFacts, String> {
            Err(format!("{}: is no checkpoint", path.display()))
        }
    }

    /// Writes a safetensors file with these tensors, all zeros, and describes it.
    fn described(
        kind: Option<LibraryKind>,
        name: &str,
        tensors: &[(&str, &[usize])],
        metadata: &[(&str, &str)],
    ) -> Facts {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        let (mut header, mut at) = (serde_json::Map::new(), 0);
        let pairs = metadata.iter().map(|(key, value)| ((*key).to_owned(), serde_json::json!(value)));
        header.insert("__metadata__".to_owned(), serde_json::Value::Object(pairs.collect()));
        for (name, shape) in tensors {
            let end = at + shape.iter().product::<usize>() * 4;
            header.insert(
                (*name).to_owned(),
                serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]}),
            );
            at = end;
        }
        let header = serde_json::to_vec(&header).expect("serializes");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.resize(bytes.len() + at, 0);
        std::fs::write(&path, bytes).expect("written");
        let (file, preview, problem) = (name.to_owned(), None, None);
        let found = Found { folder: 0, file, path, is_folder: false, bytes: 0, modified_ms: 0, kind, preview, problem };
        describe(&found, &NoCheckpoint)
    }

    #[test]
    fn contents_come_before_the_folders_name() {
        let down = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight";
        let lora = described(Some(LibraryKind::Checkpoint), "a.safetensors", &[(down, &[4, 2048])], &[]);
        assert_eq!((lora.kind, lora.details.as_deref()), (LibraryKind::Lora, Some("LoRA, rank 4")));
        assert_eq!((lora.family.as_deref(), lora.problem), (Some("sdxl"), None));
        let other = described(None, "a.safetensors", &[(down, &[4, 768])], &[]);
        assert_eq!(other.problem.as_deref(), Some("is for Stable Diffusion 1, not for SDXL"));
        let unknown = described(None, "a.safetensors", &[("x", &[1])], &[]);
        assert_eq!((unknown.kind, unknown.problem.as_deref()), (LibraryKind::Checkpoint, Some("is no checkpoint")));
        let upscaler = described(Some(LibraryKind::Upscaler), "a.safetensors", &[("x", &[1])], &[]);
        assert_eq!(upscaler.kind, LibraryKind::Upscaler);
    }

    #[test]
    fn an_embedding_needs_both_encoders() {
        let both = described(None, "e.safetensors", &[("clip_l", &[3, 768]), ("clip_g", &[3, 1280])], &[]);
        assert_eq!((both.details.as_deref(), both.problem), (Some("3 vectors"), None));
        let one = described(None, "e.safetensors", &[("emb_params", &[1, 768])], &[]);
        assert_eq!(one.kind, LibraryKind::Embedding);
        assert!(one.problem.is_some_and(|why| why.contains("SDXL needs both")));
        let uneven = described(None, "e.safetensors", &[("clip_l", &[3, 768]), ("clip_g", &[2, 1280])], &[]);
        assert!(uneven.problem.is_some());
    }

    #[test]
    fn metadata_gives_title_words_and_distillation() {
        let tags = r#"{"10_cat":{"cat":10,"red":3},"5_dog":{"dog":7,"red":2}}"#;
        let metadata = [
            ("modelspec.title", "A\ntitle"),
            ("ss_output_name", "alias"),
            ("ss_sd_model_name", "base.safetensors"),
            ("ss_tag_frequency", tags),
        ];
        let facts =
            described(None, "sdxl_lightning_4step_lora.safetensors", &[("x.lora_down.weight", &[4, 8])], &metadata);
        assert_eq!((facts.title.as_deref(), facts.alias.as_deref()), (Some("A title"), Some("alias")));
        assert_eq!(
            (facts.base.as_deref(), facts.distillation.as_deref()),
            (Some("base.safetensors"), Some("lightning-4"))
        );
        assert_eq!(facts.trigger_words, ["cat", "dog", "red"]);
        assert_eq!(Facts::from_text(&facts.to_text()), Some(facts));
        let wild = [("ss_tag_frequency", r#"{"a":{"b":-1}}"#), ("modelspec.trigger_phrase", " , ")];
        assert!(described(None, "a.safetensors", &[], &wild).trigger_words.is_empty());
    }
}
