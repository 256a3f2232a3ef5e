//! LoRA files over the tiny model: every kind of change, scales, and files that are refused.

use crate::common::{T, bytes_of, floats, models, zeros};
use checkpoint::{
    Checkpoint, DoraAxis, Dtype, Error, Factor, LayerDelta, LoraError, LoraFile, LoraPlan, Part, WeightDelta,
};
use std::{path::PathBuf, sync::Arc};

/// A linear layer [16, 16], a convolution [8, 8, 3, 3], a 1x1 convolution [16, 8, 1, 1] and a norm [8] of the tiny UNet.
const LINEAR: &str = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
const CONV: &str = "down_blocks.0.resnets.0.conv1";
const SHORTCUT: &str = "down_blocks.1.resnets.0.conv_shortcut";
const NORM: &str = "down_blocks.0.resnets.0.norm1";

fn flat(path: &str) -> String {
    format!("lora_unet_{}", path.replace('.', "_"))
}

fn file(tensors: &[T], metadata: &[(&str, &str)]) -> LoraFile {
    let bytes = Arc::new(bytes_of(tensors, metadata));
    LoraFile::in_memory(PathBuf::from("x.safetensors"), bytes).expect("a header")
}

fn tiny() -> Checkpoint {
    Checkpoint::open(&models().join("tiny/diffusers")).expect("it opens")
}

fn planned(tensors: &[T], metadata: &[(&str, &str)]) -> Result<LoraPlan, Error> {
    file(tensors, metadata).plan(&tiny())
}

/// The only changed layer.
fn layer(tensors: &[T], metadata: &[(&str, &str)]) -> LayerDelta {
    let plan = planned(tensors, metadata).expect("it plans");
    let mut layers = plan.layers.into_values().flatten();
    let (_, delta) = layers.next().expect("a layer");
    assert!(layers.next().is_none());
    delta
}

fn refused(tensors: &[T]) -> (LoraError, String) {
    match planned(tensors, &[]) {
        Err(error @ Error::Lora { .. }) => {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text}");
            let Error::Lora { source, .. } = error else { unreachable!() };
            (*source, text)
        }
        other => panic!("{other:?}"),
    }
}

fn named(path: &str, ends: &[(&str, &[usize])]) -> Vec<T> {
    ends.iter().map(|(end, shape)| zeros(&format!("{}.{end}", flat(path)), "F16", shape)).collect()
}

fn low_rank(path: &str, down: &[usize], up: &[usize]) -> Vec<T> {
    named(path, &[("lora_down.weight", down), ("lora_up.weight", up)])
}

fn scale_of(delta: &LayerDelta) -> f64 {
    match delta.weight {
        Some(
            WeightDelta::LowRank { scale, .. }
            | WeightDelta::Hadamard { scale, .. }
            | WeightDelta::Kronecker { scale, .. },
        ) => scale,
        _ => panic!("{delta:?}"),
    }
}

#[test]
fn low_rank_tensors_get_the_shapes_of_their_layer() {
    let cases: [(&str, [&[usize]; 4]); 5] = [
        (LINEAR, [&[4, 16], &[16, 4], &[4, 16], &[16, 4]]),
        // A 1x1 convolution in the file, a linear layer in the model; and the reverse.
        (LINEAR, [&[4, 16, 1, 1], &[16, 4, 1, 1], &[4, 16], &[16, 4]]),
        (SHORTCUT, [&[2, 8], &[16, 2], &[2, 8, 1, 1], &[16, 2]]),
        (CONV, [&[2, 8, 3, 3], &[8, 2, 1, 1], &[2, 8, 3, 3], &[8, 2]]),
        (CONV, [&[2, 72], &[8, 2], &[2, 8, 3, 3], &[8, 2]]),
    ];
    for (path, [down_in_file, up_in_file, down_shape, up_shape]) in cases {
        match layer(&low_rank(path, down_in_file, up_in_file), &[]).weight {
            Some(WeightDelta::LowRank { down, up, mid: None, scale: 1.0 }) => {
                assert_eq!((down.shape.as_slice(), up.shape.as_slice()), (down_shape, up_shape), "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    let tucker = [
        ("lora_down.weight", &[2, 8, 1, 1][..]),
        ("lora_mid.weight", &[2, 2, 3, 3]),
        ("lora_up.weight", &[8, 2, 1, 1]),
    ];
    match layer(&named(CONV, &tucker), &[]).weight {
        Some(WeightDelta::LowRank { down, mid: Some(mid), .. }) => {
            assert_eq!((down.shape, mid.shape), (vec![2, 8], vec![2, 2, 3, 3]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_relatives_of_lora_are_recognised_by_their_tensors() {
    let loha = [("hada_w1_a", &[8, 2][..]), ("hada_w1_b", &[2, 72]), ("hada_w2_a", &[8, 3]), ("hada_w2_b", &[3, 72])];
    let loha = [named(CONV, &loha), vec![floats(&format!("{}.alpha", flat(CONV)), &[], &[1.0])]].concat();
    let delta = layer(&loha, &[]);
    assert!(matches!(delta.weight, Some(WeightDelta::Hadamard { t1: None, scale: 0.5, .. })), "{delta:?}");
    let tucker = [
        ("hada_w1_a", &[2, 8][..]),
        ("hada_w1_b", &[2, 8]),
        ("hada_w2_a", &[2, 8]),
        ("hada_w2_b", &[2, 8]),
        ("hada_t1", &[2, 2, 3, 3]),
        ("hada_t2", &[2, 2, 3, 3]),
    ];
    let delta = layer(&named(CONV, &tucker), &[]);
    assert!(matches!(delta.weight, Some(WeightDelta::Hadamard { t1: Some(_), t2: Some(_), .. })), "{delta:?}");
    let alpha = |path: &str| vec![floats(&format!("{}.alpha", flat(path)), &[1], &[1.0])];
    // Two whole factors: alpha means nothing.
    let whole = [named(LINEAR, &[("lokr_w1", &[4, 2][..]), ("lokr_w2", &[4, 8])]), alpha(LINEAR)].concat();
    let delta = layer(&whole, &[]);
    assert!(
        matches!(&delta.weight, Some(WeightDelta::Kronecker { w1: Factor::Whole(_), scale: 1.0, .. })),
        "{delta:?}"
    );
    let split = [("lokr_w1", &[2, 4][..]), ("lokr_w2_a", &[4, 2]), ("lokr_w2_b", &[2, 18])];
    let delta = layer(&[named(CONV, &split), alpha(CONV)].concat(), &[]);
    assert!(
        matches!(&delta.weight, Some(WeightDelta::Kronecker { w2: Factor::Product { t: None, .. }, scale: 0.5, .. })),
        "{delta:?}"
    );
    let kernel = [("lokr_w1", &[2, 4][..]), ("lokr_w2", &[4, 2, 3, 3])];
    match layer(&named(CONV, &kernel), &[]).weight {
        Some(WeightDelta::Kronecker { w2: Factor::Whole(w2), .. }) => assert_eq!(w2.shape, [4, 18]),
        other => panic!("{other:?}"),
    }
    let tucker = [("lokr_w1", &[2, 4][..]), ("lokr_w2_a", &[2, 4]), ("lokr_w2_b", &[2, 2]), ("lokr_t2", &[2, 2, 3, 3])];
    let delta = layer(&named(CONV, &tucker), &[]);
    assert!(
        matches!(&delta.weight, Some(WeightDelta::Kronecker { w2: Factor::Product { t: Some(_), .. }, .. })),
        "{delta:?}"
    );
    let full = layer(&named(CONV, &[("diff", &[8, 8, 3, 3][..]), ("diff_b", &[8])]), &[]);
    assert!(matches!(full, LayerDelta { weight: Some(WeightDelta::Full(_)), bias: Some(_), dora: None }), "{full:?}");
    let norm = layer(&named(NORM, &[("w_norm", &[8][..]), ("b_norm", &[8])]), &[]);
    assert!(matches!(norm, LayerDelta { weight: Some(WeightDelta::Full(_)), bias: Some(_), .. }), "{norm:?}");
}

#[test]
fn the_shape_of_dora_scale_gives_its_axis() {
    let with = |end: &str, path: &str, shape: &[usize]| {
        let low_rank = if path == CONV {
            low_rank(path, &[2, 8, 3, 3], &[8, 2, 1, 1])
        } else {
            low_rank(path, &[2, 8, 1, 1], &[16, 2, 1, 1])
        };
        let delta = layer(&[low_rank, named(path, &[(end, shape)])].concat(), &[]);
        let dora = delta.dora.expect("a DoRA");
        (dora.axis, dora.scale.shape)
    };
    let output = |channels| (DoraAxis::Output, vec![channels]);
    assert_eq!(with("dora_scale", CONV, &[8, 1, 1, 1]), output(8));
    assert_eq!(with("dora_scale", SHORTCUT, &[16]), output(16));
    assert_eq!(with("dora_scale", CONV, &[1, 8, 1, 1]), (DoraAxis::Input, vec![8]));
    assert_eq!(with("dora_scale", SHORTCUT, &[1, 8, 1, 1]), (DoraAxis::Input, vec![8]));
    // peft's magnitudes are always per output, also in a convolution with as many inputs.
    assert_eq!(with("lora_magnitude_vector", CONV, &[1, 8, 1, 1]), output(8));
    assert_eq!(with("lora_magnitude_vector.default.weight", CONV, &[8]), output(8));
    let wrong = [low_rank(LINEAR, &[2, 16], &[16, 2]), named(LINEAR, &[("dora_scale", &[15, 1][..])])].concat();
    assert!(matches!(refused(&wrong).0, LoraError::Misshapen { .. }));
}

#[test]
fn the_factor_is_alpha_over_the_rank_or_what_the_file_has_instead() {
    let rank_4 = || low_rank(LINEAR, &[4, 16], &[16, 4]);
    let with = |end: &str, dtype: &'static str, data: Vec<u8>| {
        let tensor = T { name: format!("{}.{end}", flat(LINEAR)), dtype, shape: vec![], data };
        scale_of(&layer(&[rank_4(), vec![tensor]].concat(), &[]))
    };
    assert_eq!(scale_of(&layer(&rank_4(), &[])), 1.0);
    assert_eq!(with("alpha", "F32", 2f32.to_le_bytes().into()), 0.5);
    assert_eq!(with("alpha", "BF16", half::bf16::from_f32(8.0).to_le_bytes().into()), 2.0);
    assert_eq!(with("alpha", "I64", 1i64.to_le_bytes().into()), 0.25);
    // kohya's sd-scripts take 0 as the rank.
    assert_eq!(with("alpha", "F32", 0f32.to_le_bytes().into()), 1.0);
    assert_eq!(with("scale", "F32", 0.3f32.to_le_bytes().into()), f64::from(0.3f32));
    for bad in [f32::NAN, f32::INFINITY] {
        let alpha = floats(&format!("{}.alpha", flat(LINEAR)), &[], &[bad]);
        assert!(matches!(refused(&[rank_4(), vec![alpha]].concat()).0, LoraError::Scale { .. }));
    }
    let alpha = zeros(&format!("{}.alpha", flat(LINEAR)), "F32", &[2]);
    assert!(matches!(refused(&[rank_4(), vec![alpha]].concat()).0, LoraError::Scale { .. }));
}

#[test]
fn pefts_metadata_gives_alpha_patterns_and_rslora() {
    let tensors = [
        zeros(&format!("unet.{LINEAR}.lora_A.weight"), "F32", &[4, 16]),
        zeros(&format!("unet.{LINEAR}.lora_B.weight"), "F32", &[16, 4]),
    ];
    let scale = |json: &str| scale_of(&layer(&tensors, &[("lora_adapter_metadata", json)]));
    assert_eq!(scale(r#"{"unet.r": 4, "unet.lora_alpha": 8}"#), 2.0);
    assert_eq!(scale(r#"{"text_encoder.lora_alpha": 8}"#), 1.0);
    assert_eq!(scale(r#"{"unet.lora_alpha": 8, "unet.use_rslora": true}"#), 4.0);
    let pattern = |key: &str| {
        let metadata = serde_json::json!({"unet.lora_alpha": 8, "unet.alpha_pattern": {key: 2}});
        scale(&metadata.to_string())
    };
    assert_eq!(pattern(LINEAR), 0.5);
    assert_eq!(pattern("attn1.to_q"), 0.5);
    assert_eq!(pattern(r"^attn1\.to_q$"), 0.5);
    // A part of a name is not a name.
    assert_eq!(pattern("o_q"), 2.0);
    for bad in ["[]", "{", r#"{"unet.lora_alpha": "8"}"#, r#"{"unet.lora_alpha": 8, "unet.alpha_pattern": {".*": 2}}"#]
    {
        let error = planned(&tensors, &[("lora_adapter_metadata", bad)]).expect_err("refused");
        assert!(error.to_string().contains("lora_adapter_metadata"), "{error}");
    }
}

#[test]
fn a_layer_under_both_kinds_of_names_is_read_once() {
    let numbered = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q";
    let ldm = [
        zeros(&format!("{numbered}.lora_down.weight"), "F16", &[2, 16]),
        zeros(&format!("{numbered}.lora_up.weight"), "F16", &[16, 2]),
    ];
    assert!(planned(&ldm, &[]).expect("it plans").layers[&Part::Unet].contains_key(LINEAR));
    let both = [low_rank(LINEAR, &[4, 16], &[16, 4]), ldm.to_vec()].concat();
    let plan = planned(&both, &[]).expect("it plans");
    assert_eq!(plan.ignored.len(), 2);
    assert!(plan.ignored.iter().all(|name| name.starts_with(numbered)));
    match &plan.layers[&Part::Unet][LINEAR].weight {
        Some(WeightDelta::LowRank { down, .. }) => assert_eq!(down.shape, [4, 16]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let good = || low_rank(LINEAR, &[4, 16], &[16, 4]);
    let (error, text) = refused(&low_rank(LINEAR, &[4, 17], &[16, 4]));
    assert!(matches!(&error, LoraError::Misshapen { found, weight, .. } if found == &[4, 17] && weight == &[16, 16]));
    assert!(
        text.contains(&format!("unet {LINEAR}")) && text.contains("[4, 17]") && text.contains("[16, 16]"),
        "{text}"
    );
    for (down, up) in [(&[4, 16][..], &[16, 5][..]), (&[0, 16], &[16, 0]), (&[4, 4, 5], &[16, 4]), (&[], &[16, 4])] {
        assert!(matches!(refused(&low_rank(LINEAR, down, up)).0, LoraError::Misshapen { .. }), "{down:?}");
    }
    assert!(matches!(refused(&low_rank(NORM, &[4, 8], &[8, 4])).0, LoraError::Misshapen { .. }));
    let only_up = named(LINEAR, &[("lora_up.weight", &[16, 4][..])]);
    assert!(refused(&only_up).1.contains("but no lora_down.weight"), "{}", refused(&only_up).1);
    let alone = named(LINEAR, &[("alpha", &[][..])]);
    assert!(matches!(refused(&alone).0, LoraError::Incomplete { .. }));
    let extra = [good(), named("elsewhere.to_q", &[("lora_up.weight", &[16, 4][..])])].concat();
    assert!(refused(&extra).1.contains("1 tensors match no layer of the model: lora_unet_elsewhere_to_q"));
    let mixed = [good(), named(LINEAR, &[("diff", &[16, 16][..])])].concat();
    assert!(matches!(refused(&mixed).0, LoraError::Mixed { .. }));
    let twice = [good(), vec![zeros(&format!("unet.{LINEAR}.lora_A.weight"), "F16", &[4, 16])]].concat();
    assert!(matches!(refused(&twice).0, LoraError::Twice { .. }));
    let bundle = [good(), vec![zeros("bundle_emb.cat.clip_l", "F16", &[1, 16])]].concat();
    assert_eq!(planned(&bundle, &[]).expect("it plans").ignored, ["bundle_emb.cat.clip_l"]);
    let integers = vec![
        zeros(&format!("{}.lora_down.weight", flat(LINEAR)), "I8", &[4, 16]),
        zeros(&format!("{}.lora_up.weight", flat(LINEAR)), "I8", &[16, 4]),
    ];
    assert!(matches!(refused(&integers).0, LoraError::Unreadable { dtype: Dtype::I8, .. }));
}

#[test]
fn another_models_lora_is_called_by_its_model() {
    let pair = |base: &str, input: usize| {
        let down = zeros(&format!("{base}.lora_down.weight"), "F16", &[4, input]);
        vec![down, zeros(&format!("{base}.lora_up.weight"), "F16", &[320, 4])]
    };
    for (base, input, model) in [
        ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 768, "Stable Diffusion 1"),
        ("lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k", 1024, "Stable Diffusion 2"),
        ("lora_unet_down_blocks_3_resnets_0_conv1", 8, "Stable Diffusion 1 or 2"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", 768, "Stable Diffusion 1 or 2, or SDXL's refiner"),
        ("lora_unet_double_blocks_0_img_attn_proj", 3072, "Flux"),
        ("transformer.single_transformer_blocks.0.attn.to_q", 3072, "Flux"),
        ("lora_unet_joint_blocks_0_context_block_attn_proj", 1536, "Stable Diffusion 3"),
    ] {
        let (error, text) = refused(&pair(base, input));
        assert!(matches!(&error, LoraError::Foreign { model: found, .. } if *found == model), "{base}: {text}");
    }
    for (tensor, kind) in [
        ("lora_unet_mid_block_attentions_0_proj_in.a1.weight", "a GLoRA"),
        ("lora_unet_mid_block_attentions_0_proj_in.oft_blocks", "an OFT or BOFT"),
        ("lora_unet_mid_block_attentions_0_proj_in.on_input", "an (IA)^3"),
    ] {
        assert!(refused(&[zeros(tensor, "F16", &[4, 4])]).1.contains(kind), "{tensor}");
    }
    for (tensors, text) in [
        (
            vec![zeros("clip_l", "F16", &[1, 768]), zeros("clip_g", "F16", &[1, 1280])],
            "this is a textual inversion, not",
        ),
        (vec![zeros("decoder.conv_in.weight", "F16", &[8, 4, 3, 3])], "this is a VAE alone, not a LoRA"),
        (vec![], "this is no model that is known here, not a LoRA"),
    ] {
        let error = planned(&tensors, &[]).expect_err("refused").to_string();
        assert!(error.contains(text), "{error}");
    }
    let single = LoraFile::open(&models().join("tiny/single-f16.safetensors")).expect("a header");
    let error = single.plan(&tiny()).expect_err("refused").to_string();
    assert!(error.ends_with("this is an SDXL checkpoint, not a LoRA"), "{error}");
}

#[test]
fn values_are_read_exactly_and_the_hash_leaves_the_header_out() {
    let numbers = [0.1f32, -2.5, 65504.0, f32::MIN_POSITIVE];
    let down = floats(&format!("{}.lora_down.weight", flat(SHORTCUT)), &[1, 8], &[numbers, numbers].concat());
    let halves: Vec<u8> = (0..16).flat_map(|i| half::f16::from_f32(i as f32 / 3.0).to_le_bytes()).collect();
    let up = T { name: format!("{}.lora_up.weight", flat(SHORTCUT)), dtype: "F16", shape: vec![16, 1], data: halves };
    let tensors = [down, up];
    let lora = file(&tensors, &[("ss_output_name", "cat")]);
    assert_eq!(lora.metadata()["ss_output_name"], "cat");
    let plan = lora.plan(&tiny()).expect("it plans");
    let Some(WeightDelta::LowRank { down, up, .. }) = &plan.layers[&Part::Unet][SHORTCUT].weight else { panic!() };
    assert_eq!(lora.read(down).expect("it reads"), [numbers, numbers].concat());
    let expected: Vec<f32> = (0..16).map(|i| half::f16::from_f32(i as f32 / 3.0).to_f32()).collect();
    assert_eq!(lora.read(up).expect("it reads"), expected);
    let hash = lora.auto_v3().expect("it reads");
    assert_eq!(hash.len(), 64);
    assert_eq!(file(&tensors, &[]).auto_v3().expect("it reads"), hash);
    // sha256 of nothing.
    let nothing = file(&[], &[]).auto_v3().expect("it reads");
    assert_eq!(nothing, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/// A file of the LyCORIS wrapper around one text encoder does not name the encoder: 16 values in the tiny first one, 24 in the
/// second. Around a module with both it does.
#[test]
fn a_wrapped_text_encoder_is_recognised_by_its_shapes() {
    let name = "text_model.encoder.layers.0.self_attn.q_proj";
    let one = |prefix: &str, width: usize| {
        let base = format!("{prefix}{}", name.replace('.', "_"));
        let w1 = zeros(&format!("{base}.lokr_w1"), "F16", &[2, 2]);
        [w1, zeros(&format!("{base}.lokr_w2"), "F16", &[width / 2, width / 2])]
    };
    for (prefix, width, part) in [
        ("lycoris_", 16, Part::TextEncoder),
        ("lycoris_", 24, Part::TextEncoder2),
        ("lycoris_text_encoder_", 16, Part::TextEncoder),
        ("lycoris_text_encoder_2_", 24, Part::TextEncoder2),
    ] {
        let plan = planned(&one(prefix, width), &[]).unwrap_or_else(|e| panic!("{prefix} {width}: {e}"));
        assert_eq!(plan.layers.keys().collect::<Vec<_>>(), [&part], "{prefix} {width}");
        assert!(plan.layers[&part].contains_key(name));
        assert!(!checkpoint::LoraReport::of(&file(&one(prefix, width), &[])).parts.contains_key(&Part::Unet));
    }
    let (error, _) = refused(&one("lycoris_", 32));
    assert!(matches!(error, LoraError::Misshapen { .. }), "{error:?}");
    let (error, _) = refused(&one("lycoris_text_encoder_", 24));
    assert!(matches!(error, LoraError::Misshapen { .. }), "{error:?}");
}
