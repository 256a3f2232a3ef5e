//! Tests of descriptions.

use super::*;

struct NoCheckpoint;

impl ReadCheckpoint for NoCheckpoint {
    fn read(&self, path: &Path) -> Result<CheckpointFacts, String> {
        Err(format!("{}: is no checkpoint", path.display()))
    }
}

/// Writes a safetensors file with these tensors, all zeros, and describes it.
fn described(kind: Option<LibraryKind>, name: &str, tensors: &[(&str, &[usize])], metadata: &[(&str, &str)]) -> Facts {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    let pairs = metadata.iter().map(|(key, value)| ((*key).to_owned(), serde_json::json!(value)));
    header.insert("__metadata__".to_owned(), serde_json::Value::Object(pairs.collect()));
    for (name, shape) in tensors {
        let end = at + shape.iter().product::<usize>() * 4;
        header
            .insert((*name).to_owned(), serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]}));
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
    assert!(upscaler.problem.is_some_and(|why| why.contains("is not an upscaler that can be used")));
}

#[test]
fn an_upscaler_has_its_network_and_factor() {
    let tensors: [(&str, &[usize]); 5] = [
        ("body.0.weight", &[8, 3, 3, 3]),
        ("body.0.bias", &[8]),
        ("body.1.weight", &[8]),
        ("body.2.weight", &[12, 8, 3, 3]),
        ("body.2.bias", &[12]),
    ];
    for folder in [Some(LibraryKind::Upscaler), None] {
        let facts = described(folder, "x2.safetensors", &tensors, &[]);
        assert_eq!((facts.kind, facts.details.as_deref()), (LibraryKind::Upscaler, Some("Compact, 2x")));
        assert_eq!(facts.problem, None);
    }
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
    let facts = described(None, "sdxl_lightning_4step_lora.safetensors", &[("x.lora_down.weight", &[4, 8])], &metadata);
    assert_eq!((facts.title.as_deref(), facts.alias.as_deref()), (Some("A title"), Some("alias")));
    assert_eq!((facts.base.as_deref(), facts.distillation.as_deref()), (Some("base.safetensors"), Some("lightning-4")));
    assert_eq!(facts.trigger_words, ["cat", "dog", "red"]);
    assert_eq!(Facts::from_text(&facts.to_text()), Some(facts));
    let wild = [("ss_tag_frequency", r#"{"a":{"b":-1}}"#), ("modelspec.trigger_phrase", " , ")];
    assert!(described(None, "a.safetensors", &[], &wild).trigger_words.is_empty());
}
