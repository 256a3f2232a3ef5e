//! Shape of a CLIP text model.

use serde::{Deserialize, Serialize};

/// The feed-forward's activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextActivation {
    /// x * sigmoid(1.702 x): the first encoder.
    QuickGelu,
    /// The exact, erf-based GELU: the second.
    Gelu,
}

/// Shape of a CLIP text model, with the projection where there is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextEncoderConfig {
    /// Rows of the token embedding: 49408.
    pub vocab_size: usize,
    /// Width: 768 and 1280.
    pub hidden_size: usize,
    /// Width inside the feed-forward: 3072 and 5120.
    pub intermediate_size: usize,
    /// Layers: 12 and 32.
    pub num_hidden_layers: usize,
    /// Attention heads: 12 and 20.
    pub num_attention_heads: usize,
    /// Tokens: 77.
    pub max_position_embeddings: usize,
    /// The feed-forward's activation.
    pub hidden_act: TextActivation,
    /// Epsilon of every LayerNorm: 1e-5.
    pub layer_norm_eps: f64,
    /// Width of the pooled output (1280); none for the first encoder, whose pooled output SDXL does not use.
    pub projection_dim: Option<usize>,
    /// The token at whose first place the pooled output is taken: 49407. Where no config names it, this is the end
    /// of CLIP's vocabulary, or the last row of a smaller table.
    pub eos_token_id: u32,
    /// Whether config.json names `eos_token_id`. Otherwise the tokenizer decides which token ends a text.
    #[serde(skip)]
    pub eos_token_is_given: bool,
}
