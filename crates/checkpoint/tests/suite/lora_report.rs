//! What a LoRA file says about itself.

use crate::common::{T, bytes_of, zeros};
use checkpoint::{LoraBase, LoraFile, LoraKind, LoraReport, Part, TriggerWord};
use std::sync::Arc;

fn report(tensors: &[T], metadata: &[(&str, &str)]) -> LoraReport {
    let bytes = Arc::new(bytes_of(tensors, metadata));
    LoraReport::of(&LoraFile::in_memory("folder/cat.safetensors".into(), bytes).expect("a header"))
}

fn low_rank(base: &str, down: &[usize], up: &[usize]) -> [T; 2] {
    [zeros(&format!("{base}.lora_down.weight"), "F16", down), zeros(&format!("{base}.lora_up.weight"), "BF16", up)]
}

const KEYS: &str = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";

#[test]
fn kinds_ranks_and_layers_come_from_the_tensors() {
    let tensors = [
        &low_rank(KEYS, &[4, 2048], &[640, 4])[..],
        &low_rank("lora_te1_text_model_encoder_layers_0_mlp_fc1", &[8, 768], &[3072, 8]),
        &low_rank("lora_te2_text_model_encoder_layers_0_mlp_fc1", &[8, 1280], &[5120, 8]),
        &low_rank("lora_unet_input_blocks_1_0_in_layers_2", &[4, 320, 3, 3], &[320, 4, 1, 1]),
        &[zeros(&format!("{KEYS}.dora_scale"), "F16", &[640, 1]), zeros("bundle_emb.cat.clip_l", "F16", &[1, 768])],
    ]
    .concat();
    let report = report(&tensors, &[]);
    assert_eq!((report.kinds, report.dora), (vec![LoraKind::Lora, LoraKind::Locon], true));
    assert_eq!((report.ranks, report.layers), (vec![4, 8], 4));
    assert_eq!(report.parts, [(Part::Unet, 2), (Part::TextEncoder, 1), (Part::TextEncoder2, 1)].into());
    assert_eq!(report.dtypes.values().sum::<u64>(), tensors.iter().map(|t| t.data.len() as u64 / 2).sum::<u64>());
    assert_eq!(report.embeddings, ["cat"]);
    let evidence = format!("{KEYS}.lora_down.weight");
    assert_eq!(report.base, Some(LoraBase { model: "SDXL".into(), evidence }));
    assert_eq!(report.problem, None);
}

#[test]
fn the_base_and_the_words_come_from_metadata() {
    let tags = r#"{"10_cat": {"cat": 30, " night ": 5}, "5_sky": {"night": 20, "": 9}}"#;
    let metadata = [
        ("ss_base_model_version", "sdxl_base_v1-0"),
        ("ss_sd_model_name", "sd_xl_base_1.0.safetensors"),
        ("ss_tag_frequency", tags),
        ("ss_output_name", "cat_v2"),
        ("ss_resolution", "(1024, 1024)"),
        ("modelspec.title", "Cats\nat night"),
        ("modelspec.author", "somebody"),
        ("modelspec.trigger_phrase", "a zzcat"),
    ];
    let report = report(&low_rank("lora_unet_middle_block_1_proj_in", &[4, 1280], &[1280, 4]), &metadata);
    let base = report.base.expect("a base");
    assert_eq!((base.model.as_str(), base.evidence.as_str()), ("SDXL", "ss_base_model_version: sdxl_base_v1-0"));
    let word = |text: &str, count| TriggerWord { text: text.into(), count };
    assert_eq!(report.trigger_words, [word("a zzcat", None), word("cat", Some(30)), word("night", Some(25))]);
    assert_eq!(report.title.as_deref(), Some("Cats?at night"));
    assert_eq!(report.author.as_deref(), Some("somebody"));
    assert_eq!(report.output_name.as_deref(), Some("cat_v2"));
    assert_eq!(report.resolution.as_deref(), Some("(1024, 1024)"));
    assert_eq!(report.trained_on.as_deref(), Some("sd_xl_base_1.0.safetensors"));
}

#[test]
fn another_models_lora_has_that_base_and_a_problem() {
    let down = &low_rank("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", &[4, 768], &[320, 4]);
    let report = report(down, &[("ss_base_model_version", "sdxl_base_v1-0")]);
    assert_eq!(report.base.expect("a base").model, "Stable Diffusion 1");
    let problem = report.problem.expect("a problem");
    assert!(problem.starts_with("this LoRA is for Stable Diffusion 1, not for SDXL"), "{problem}");
}

#[test]
fn a_long_list_of_tags_is_cut() {
    let tags: serde_json::Map<_, _> = (0..500).map(|i| (format!("tag {i}"), i.into())).collect();
    let tags = serde_json::json!({ "1_x": tags }).to_string();
    let report = report(&low_rank(KEYS, &[4, 2048], &[640, 4]), &[("ss_tag_frequency", &tags)]);
    assert_eq!(report.trigger_words.len(), 20);
    assert_eq!(report.trigger_words[0].text, "tag 499");
}
