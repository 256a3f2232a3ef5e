//! What kind of file something is.

use crate::common::{T, bytes_of, models, write_bytes, zeros};
use checkpoint::{FileKind, sniff};

#[test]
fn every_kind_of_file_is_recognised_by_its_header() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.safetensors");
    let of = |names: &[&str]| {
        let tensors: Vec<T> = names.iter().map(|name| zeros(name, "F16", &[4, 4])).collect();
        write_bytes(&path, &bytes_of(&tensors, &[]));
        sniff(&path)
    };
    for name in [
        "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight",
        "unet.mid_block.attentions.0.proj_in.lora_A.weight",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.hada_w1_a",
        "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.up.weight",
        "diffusion_model.input_blocks.0.0.diff",
        "lycoris_mid_block_attentions_0_proj_in.lokr_w1",
    ] {
        assert_eq!(of(&[name, "bundle_emb.cat.clip_l"]), FileKind::Lora, "{name}");
    }
    assert_eq!(of(&["clip_l", "clip_g"]), FileKind::Embedding);
    assert_eq!(of(&["text_encoders_0", "text_encoders_1"]), FileKind::Embedding);
    assert_eq!(of(&["emb_params"]), FileKind::Embedding);
    assert_eq!(of(&["<cat>"]), FileKind::Embedding);
    assert_eq!(of(&["decoder.conv_in.weight", "encoder.conv_in.weight"]), FileKind::Vae);
    assert_eq!(of(&["input_hint_block.0.weight"]), FileKind::ControlNet);
    assert_eq!(of(&["model.1.sub.0.RDB1.conv1.0.weight", "model.0.weight"]), FileKind::Upscaler);
    assert_eq!(of(&["body.0.weight", "body.1.weight"]), FileKind::Upscaler);
    assert_eq!(of(&["model.diffusion_model.double_blocks.0.img_attn.proj.weight"]), FileKind::Checkpoint);
    assert_eq!(of(&["double_blocks.0.img_attn.proj.weight"]), FileKind::Checkpoint);
    assert_eq!(of(&["something"]), FileKind::Unknown);
    assert_eq!(sniff(&models().join("tiny/single-f16.safetensors")), FileKind::Checkpoint);
    assert_eq!(sniff(&models().join("tiny/diffusers")), FileKind::Checkpoint);
    assert_eq!(sniff(&models().join("tiny/taesdxl_decoder.safetensors")), FileKind::Taesd);
    write_bytes(&path, b"PK\x03\x04archive");
    let FileKind::Unreadable(reason) = sniff(&path) else { panic!("a pickle") };
    assert!(reason.starts_with("is a Python pickle"), "{reason}");
    assert!(matches!(sniff(&folder.path().join("absent")), FileKind::Unreadable(_)));
    assert!(matches!(sniff(folder.path()), FileKind::Unreadable(_)));
}
