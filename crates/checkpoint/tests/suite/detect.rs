//! Other models are recognised and named.

use crate::common::{T, single_file_tensors, write, write_sparse, zeros};
use checkpoint::{Checkpoint, Error, Family, OpenOptions, Part, inspect};

/// The error of opening a file with these tensors, and the family that `inspect` reports.
fn refused(tensors: &[T]) -> (String, Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.safetensors");
    write(&path, tensors);
    let report = inspect(&path, &OpenOptions::default()).expect("a report");
    assert!(!report.loadable && !report.problems.is_empty(), "{report:?}");
    let error = Checkpoint::open(&path).expect_err("it is not SDXL");
    assert!(matches!(error, Error::Family { .. }), "{error}");
    let message = error.to_string();
    assert!(!message.contains('\n'));
    (message.split_once(": ").expect("a path first").1.to_owned(), report.family)
}

fn ldm(in_channels: usize, context: usize, more: &[&str]) -> Vec<T> {
    let unet = "model.diffusion_model.";
    let mut tensors = vec![
        zeros(&format!("{unet}input_blocks.0.0.weight"), "F16", &[320, in_channels, 3, 3]),
        zeros(&format!("{unet}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"), "F16", &[8, context]),
    ];
    tensors.extend(more.iter().map(|name| zeros(name, "F16", &[8, 8])));
    tensors
}

#[test]
fn other_diffusion_models() {
    let label = "model.diffusion_model.label_emb.0.0.weight";
    let clip = "cond_stage_model.transformer.text_model.final_layer_norm.weight";
    let open_clip = "cond_stage_model.model.ln_final.weight";
    let refiner = "conditioner.embedders.0.model.ln_final.weight";
    let base = "conditioner.embedders.1.model.ln_final.weight";
    for (tensors, family, words) in [
        (ldm(4, 768, &[clip]), Family::Sd1, "this is a Stable Diffusion 1 checkpoint"),
        (ldm(4, 1024, &[open_clip]), Family::Sd2, "this is a Stable Diffusion 2 checkpoint"),
        (ldm(4, 1280, &[label, refiner]), Family::SdxlRefiner, "this is an SDXL refiner"),
        (ldm(4, 1280, &[label]), Family::SdxlRefiner, "this is an SDXL refiner"),
        (ldm(9, 2048, &[label, base]), Family::SdxlInpaint, "this is an SDXL inpainting checkpoint"),
    ] {
        let (message, found) = refused(&tensors);
        assert_eq!(found, family);
        assert_eq!(message, format!("{words}; only SDXL base checkpoints are supported"));
    }
}

#[test]
fn files_that_are_no_diffusion_model_of_this_kind() {
    for (name, family) in [
        ("model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight", Family::Sd3),
        ("double_blocks.0.img_attn.proj.weight", Family::Flux),
        ("model.diffusion_model.double_blocks.0.img_attn.proj.weight", Family::Flux),
        ("lora_unet_input_blocks_4_1_proj_in.lora_down.weight", Family::Lora),
        ("unet.down_blocks.1.attentions.0.proj_in.lora_A.weight", Family::Lora),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1.hada_w1_a", Family::Lora),
        ("control_model.time_embed.0.weight", Family::ControlNet),
        ("clip_g", Family::TextualInversion),
        ("encoder.layers.0.self_attn.q_proj.weight", Family::Component),
        ("something.else", Family::Unknown),
    ] {
        assert_eq!(refused(&[zeros(name, "F16", &[2, 2])]).1, family, "{name}");
    }
    let (message, _) = refused(&[zeros("lora_unet_a.lora_up.weight", "F16", &[2, 2])]);
    assert_eq!(message, "this is a LoRA; only SDXL base checkpoints are supported");
    assert_eq!(refused(&[]).1, Family::Unknown);
}

#[test]
fn a_vae_option_with_another_file_says_what_that_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    write(&path, &[zeros("lora_unet_a.lora_up.weight", "F16", &[2, 2])]);
    let error = Checkpoint::open_part(Part::Vae, &path, &OpenOptions::default()).expect_err("no vae");
    assert!(error.to_string().ends_with("this is a LoRA, not vae"), "{error}");
    write(&path, &[zeros("x", "F16", &[2, 2])]);
    let error = Checkpoint::open_part(Part::Taesd, &path, &OpenOptions::default()).expect_err("no taesd");
    assert!(error.to_string().ends_with("has no taesd"), "{error}");
}

#[test]
fn a_checkpoint_without_its_vae_opens_without_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sdxl.safetensors");
    let mut tensors = single_file_tensors("F16");
    tensors.retain(|(name, ..)| !name.starts_with("first_stage_model."));
    write_sparse(&path, &tensors);
    let checkpoint = Checkpoint::open(&path).expect("it opens");
    assert!(!checkpoint.has(Part::Vae));
    assert!(matches!(checkpoint.vae(), Err(Error::NoPart { part: Part::Vae, .. })));
    assert!(matches!(checkpoint.plan(Part::Vae), Err(Error::NoPart { part: Part::Vae, .. })));
    checkpoint.plan(Part::Unet).expect("the rest plans");
    let report = inspect(&path, &OpenOptions::default()).expect("a report");
    assert!(report.problems[0].ends_with("has no vae"), "{:?}", report.problems);
}
