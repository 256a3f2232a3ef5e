//! A text model's configuration, from its config.json or from tensors.

use super::{
    TextActivation, TextEncoderConfig,
    json::{ConfigFile, WIDTH},
    tensors::Shapes,
};
use crate::{Part, error::Error, naming::Naming};
use serde_json::{Value, json};

/// `text_projection` as the weight of a linear layer, among OpenCLIP's names.
pub(crate) const LINEAR_PROJECTION: &str = "text_projection.weight";
/// CLIP's end-of-text token.
const END_OF_TEXT: usize = 49407;
/// A former default of CLIPTextConfig, which is in most SDXL configs. With it transformers pools at the highest token
/// id, which is the end of the text unless the text contains added tokens, whose ids are higher.
const LEGACY_EOS: usize = 2;

/// The end-of-text token without a config: CLIP's, or the last one of a smaller table. Rows after CLIP's belong to
/// added tokens.
fn end_of_text(vocab_size: usize) -> usize {
    END_OF_TEXT.min(vocab_size.saturating_sub(1))
}

/// Reads the configuration from config.json.
pub(crate) fn text_from_json(file: &ConfigFile, part: Part) -> Result<TextEncoderConfig, Error> {
    file.must_be("model_type", &[json!("clip_text_model"), Value::Null])?;
    let hidden_act = match file.text("hidden_act")? {
        None | Some("quick_gelu") => TextActivation::QuickGelu,
        Some("gelu") => TextActivation::Gelu,
        Some(_) => return Err(file.bad("hidden_act", "quick_gelu or gelu")),
    };
    let vocab_size = file.size("vocab_size", Some(49408), WIDTH)?;
    let given = match file.size("eos_token_id", Some(LEGACY_EOS), 0..=*WIDTH.end())? {
        LEGACY_EOS => None,
        // The first encoder's pooled output is not used.
        eos if eos < vocab_size || part == Part::TextEncoder => Some(eos),
        _ => return Err(file.bad("eos_token_id", format!("a token below vocab_size, {vocab_size}"))),
    };
    let eos = given.unwrap_or_else(|| end_of_text(vocab_size));
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
        eos_token_is_given: given.is_some(),
    };
    if !hidden_size.is_multiple_of(config.num_attention_heads) {
        return Err(file.bad("num_attention_heads", format!("a divisor of hidden_size, {hidden_size}")));
    }
    Ok(config)
}

/// Derives the configuration from tensors.
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
        (Part::TextEncoder2, Naming::Ldm) if !shapes.has(projection) && shapes.has(LINEAR_PROJECTION) => {
            Some(shapes.need::<2>(LINEAR_PROJECTION)?[0])
        }
        // OpenCLIP stores it transposed.
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
        eos_token_id: u32::try_from(end_of_text(vocab_size)).map_err(|_| shapes.bad(tokens, "a vocabulary"))?,
        eos_token_is_given: false,
    })
}
