//! Recognises a model from names and shapes that only that model has.

use crate::{Family, safetensors::Tensor};
use std::collections::HashMap;

/// Substrings that mark the tensors of a LoRA (LoHa, LoKr, ...), as saved by different programs.
const LORA_MARKS: [&str; 14] = [
    "lora_down.",
    "lora_up.",
    "lora.down.",
    "lora.up.",
    "lora_A.",
    "lora_B.",
    ".hada_w1",
    ".lokr_w",
    "lora_unet_",
    "lora_te",
    "lycoris_",
    "lora_linear_layer.",
    "_lora.up.",
    ".oft_",
];

/// The family of one file's tensors.
pub(crate) fn family_of_names(tensors: &[Tensor]) -> Family {
    let shapes: HashMap<&str, &[usize]> =
        tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())).collect();
    let has = |name: &str| shapes.contains_key(name);
    let starts = |prefix: &str| tensors.iter().any(|tensor| tensor.name.starts_with(prefix));
    let either = |name: &str| has(name) || has(&format!("model.diffusion_model.{name}"));
    if either("double_blocks.0.img_attn.proj.weight") || has("single_transformer_blocks.0.attn.to_q.weight") {
        return Family::Flux;
    }
    if either("joint_blocks.0.context_block.attn.qkv.weight") || starts("text_encoders.t5xxl.") {
        return Family::Sd3;
    }
    if has("model.diffusion_model.input_blocks.0.0.weight") {
        return of_ldm(&shapes, starts);
    }
    let is_lora =
        |tensor: &Tensor| LORA_MARKS.iter().any(|mark| tensor.name.contains(mark)) || tensor.name.ends_with(".diff");
    if tensors.iter().any(is_lora) {
        return Family::Lora;
    }
    if starts("control_model.") || starts("controlnet_") || starts("input_hint_block.") || starts("adapter.") {
        return Family::ControlNet;
    }
    if is_embedding(tensors) {
        return Family::TextualInversion;
    }
    if has("0.weight") && has("1.conv.0.weight") {
        return Family::TaesdEncoder;
    }
    if has("decoder.layers.0.weight") || has("3.conv.0.weight") || starts("taesd_") || has("decoder.3.conv.0.weight") {
        return Family::Taesd;
    }
    if has("decoder.conv_in.weight") || has("first_stage_model.decoder.conv_in.weight") {
        return Family::Vae;
    }
    if has("input_blocks.0.0.weight") && has("label_emb.0.0.weight") {
        return Family::SdxlUnet;
    }
    let part_marks = ["down_blocks.0.resnets.0.conv1.weight", "input_blocks.0.0.weight", "positional_embedding"];
    if part_marks.iter().any(|name| has(name)) || starts("text_model.") || starts("encoder.layers.0.self_attn.") {
        return Family::Component;
    }
    Family::Unknown
}

/// Whether all names are those of a textual inversion, for SDXL or for another model.
fn is_embedding(tensors: &[Tensor]) -> bool {
    const NAMES: [&str; 7] =
        ["emb_params", "clip_l", "clip_g", "clip_l_out", "clip_g_out", "text_encoders_0", "text_encoders_1"];
    let known = |tensor: &Tensor| NAMES.contains(&tensor.name.as_str()) || tensor.name.starts_with("string_to_param");
    match tensors {
        [] => false,
        // diffusers' training script for SD 1 calls its tensor like the token.
        [tensor] if tensor.name.starts_with('<') && tensor.name.ends_with('>') => true,
        tensors => tensors.iter().all(known),
    }
}

/// Distinguishes the models that share LDM's UNet names.
fn of_ldm(shapes: &HashMap<&str, &[usize]>, starts: impl Fn(&str) -> bool) -> Family {
    let side = |name: &str, dim: usize| shapes.get(name).and_then(|shape| shape.get(dim)).copied();
    let in_channels = side("model.diffusion_model.input_blocks.0.0.weight", 1);
    let context = shapes
        .iter()
        .filter(|(name, _)| name.starts_with("model.diffusion_model.") && name.ends_with(".attn2.to_k.weight"))
        .find_map(|(_, shape)| shape.get(1).copied());
    if shapes.contains_key("model.diffusion_model.label_emb.0.0.weight") {
        // The refiner's only encoder is OpenCLIP, at index 0.
        let conditioned = starts("conditioner.embedders.");
        let refiner = starts("conditioner.embedders.0.model.") || (!conditioned && context == Some(1280));
        return match in_channels {
            _ if refiner => Family::SdxlRefiner,
            Some(9) => Family::SdxlInpaint,
            _ => Family::Sdxl,
        };
    }
    if starts("cond_stage_model.model.") || context == Some(1024) {
        Family::Sd2
    } else if starts("cond_stage_model.transformer.") || context == Some(768) {
        Family::Sd1
    } else {
        Family::Unknown
    }
}
