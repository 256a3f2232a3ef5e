//! A text model's shape, from its config.json or from tensors.

use super::{
    TextActivation, TextEncoderConfig,
    json::{ConfigFile, WIDTH},
    tensors::Shapes,
};
use crate::{Part, error::Error, source::Naming};
use serde_json::{Value, json};

/// CLIP's end-of-text token, where a config does not tell.
const END_OF_TEXT: usize = 49407;

/// Reads the shape from config.json.
pub(crate) fn text_from_json(file: &ConfigFile, part: Part) -> Result<TextEncoderConfig, Error> {
    file.must_be("model_type", &[json!("clip_text_model"), Value::Null])?;
    let hidden_act = match file.text("hidden_act")? {
        None | Some("quick_gelu") => TextActivation::QuickGelu,
        Some("gelu") => TextActivation::Gelu,
        Some(_) => return Err(file.bad("hidden_act", "quick_gelu or gelu")),
    };
    let vocab_size = file.size("vocab_size", Some(49408), WIDTH)?;
    // CLIPTextConfig's default was 2 once, saved into most SDXL configs; transformers then takes the highest
    // token, which is the end of the text.
    let eos = match file.size("eos_token_id", Some(END_OF_TEXT), 0..=*WIDTH.end())? {
        2 => vocab_size - 1,
        eos => eos,
    };
    let hidden_size = file.size("hidden_size", Some(512), WIDTH)?;
    let config = TextEncoderConfig {
        vocab_size,
        hidden_size,
        intermediate_size: file.size("intermediate_size", Some(2048), WIDTH)?,
        num_hidden_layers: file.size("num_hidden_layers", Some(12), 1..=256)?,
        num_attention_heads: file.size("num_attention_heads", Some(8), WIDTH)?,
        max_position_embeddings: file.size("max_position_embeddings", Some(77), WIDTH)?,
        hidden_act,
        layer_norm_eps: file.positive("layer_norm_eps", 1e-5)?,
        projection_dim: match part {
            Part::TextEncoder2 => Some(file.size("projection_dim", Some(512), WIDTH)?),
            _ => None,
        },
        eos_token_id: u32::try_from(eos).map_err(|_| file.bad("eos_token_id", "a token"))?,
    };
    if !hidden_size.is_multiple_of(config.num_attention_heads) {
        return Err(file.bad("num_attention_heads", format!("a divisor of hidden_size, {hidden_size}")));
    }
    Ok(config)
}

/// Reads the shape from tensors.
pub(crate) fn text_from_tensors(shapes: &Shapes<'_>, naming: Naming, part: Part) -> Result<TextEncoderConfig, Error> {
    let (tokens, positions, layers, first_norm, inner, projection) = match naming {
        Naming::Diffusers => (
            "text_model.embeddings.token_embedding.weight",
            "text_model.embeddings.position_embedding.weight",
            "text_model.encoder.layers",
            "layer_norm1.weight",
            "mlp.fc1.weight",
            "text_projection.weight",
        ),
        Naming::Ldm => (
            "token_embedding.weight",
            "positional_embedding",
            "transformer.resblocks",
            "ln_1.weight",
            "mlp.c_fc.weight",
            "text_projection",
        ),
    };
    let [vocab_size, hidden_size] = shapes.need(tokens)?;
    let [max_position_embeddings, _] = shapes.need(positions)?;
    let [intermediate_size, _] = shapes.need(&format!("{layers}.0.{inner}"))?;
    let projection_dim = match (part, naming) {
        (Part::TextEncoder2, Naming::Diffusers) => Some(shapes.need::<2>(projection)?[0]),
        // OpenCLIP keeps it transposed.
        (Part::TextEncoder2, Naming::Ldm) => Some(shapes.need::<2>(projection)?[1]),
        _ => None,
    };
    Ok(TextEncoderConfig {
        vocab_size,
        hidden_size,
        intermediate_size,
        num_hidden_layers: shapes.count(layers, first_norm).clamp(1, 256),
        num_attention_heads: shapes.heads(tokens, hidden_size)?,
        max_position_embeddings,
        hidden_act: if part == Part::TextEncoder2 { TextActivation::Gelu } else { TextActivation::QuickGelu },
        layer_norm_eps: 1e-5,
        projection_dim,
        // The end of the text is the highest token of CLIP's vocabulary.
        eos_token_id: u32::try_from(vocab_size - 1).map_err(|_| shapes.bad(tokens, "a vocabulary"))?,
    })
}
