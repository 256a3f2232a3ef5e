//! Which other model a LoRA was made for.

use super::keys::{Role, split};
use crate::{LoraError, safetensors::Tensor};

/// Parts of names that only one other model has.
const MARKS: [(&str, &str); 12] = [
    ("double_blocks", "Flux"),
    ("single_blocks", "Flux"),
    ("single_transformer_blocks", "Flux"),
    ("joint_blocks", "Stable Diffusion 3"),
    ("attn.add_q_proj", "Stable Diffusion 3"),
    ("attn_add_q_proj", "Stable Diffusion 3"),
    ("lora_te3_", "Stable Diffusion 3"),
    ("t5xxl", "Stable Diffusion 3 or Flux"),
    ("lora_prior_", "Stable Cascade"),
    ("diffusion_model.blocks.", "a video model"),
    ("lora_unet_blocks_", "a video model"),
    ("transformer.transformer_blocks.", "a diffusion transformer (Stable Diffusion 3, PixArt or another)"),
];

/// Levels and blocks that SDXL does not have and Stable Diffusion 1 and 2 have.
const FOURTH_LEVEL: [&str; 8] = [
    "down_blocks_3_",
    "down_blocks.3.",
    "up_blocks_3_",
    "up_blocks.3.",
    "input_blocks_10_",
    "input_blocks.10.",
    "output_blocks_10_",
    "output_blocks.10.",
];

/// The error that names the other model, if the file's tensors show which it is. Asked only about files that do not fit.
pub(super) fn foreign(tensors: &[Tensor]) -> Option<LoraError> {
    let named = |model, tensor: &Tensor| {
        let shape = if tensor.shape.len() > 1 { format!(" {:?}", tensor.shape) } else { String::new() };
        LoraError::Foreign { model, evidence: format!("{}{shape}", tensor.name) }
    };
    for (mark, model) in MARKS {
        if let Some(tensor) = tensors.iter().find(|tensor| tensor.name.contains(mark)) {
            return Some(named(model, tensor));
        }
    }
    if let Some((model, tensor)) = tensors.iter().find_map(|tensor| Some((by_context(tensor)?, tensor))) {
        return Some(named(model, tensor));
    }
    if let Some(tensor) = tensors.iter().find(|tensor| FOURTH_LEVEL.iter().any(|mark| tensor.name.contains(mark))) {
        return Some(named("Stable Diffusion 1 or 2", tensor));
    }
    let tensor = tensors.iter().find(|tensor| tensor.name.starts_with("lora_te_"))?;
    Some(named("Stable Diffusion 1 or 2, or SDXL's refiner", tensor))
}

/// By the width of the prompt's embeddings, which enters the keys and values of cross-attention.
fn by_context(tensor: &Tensor) -> Option<&'static str> {
    const KEYS: [&str; 4] = ["attn2_to_k", "attn2_to_v", "attn2.to_k", "attn2.to_v"];
    let (base, role) = split(&tensor.name)?;
    if !matches!(role, Role::Down | Role::HadaW1B) || !KEYS.iter().any(|key| base.ends_with(key)) {
        return None;
    }
    match tensor.shape.get(1) {
        Some(768) => Some("Stable Diffusion 1"),
        Some(1024) => Some("Stable Diffusion 2"),
        Some(1280) => Some("SDXL's refiner"),
        _ => None,
    }
}
