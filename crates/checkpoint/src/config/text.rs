//! Configuration of a CLIP text model.

use serde::{Deserialize, Serialize};

/// The activation of the feed-forward layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextActivation {
    /// x * sigmoid(1.702 x): in the first encoder.
    QuickGelu,
    /// The exact, erf-based GELU: in the second encoder.
    Gelu,
}

/// Configuration of a CLIP text model, with its projection if it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextEncoderConfig {
    /// Rows of the token embedding: 49408.
    pub vocab_size: usize,
    /// Width: 768 and 1280 in SDXL's two encoders.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers: 3072 and 5120.
    pub intermediate_size: usize,
    /// Layers: 12 and 32.
    pub num_hidden_layers: usize,
    /// Attention heads: 12 and 20.
    pub num_attention_heads: usize,
    /// Maximum number of tokens: 77.
    pub max_position_embeddings: usize,
    /// The activation of the feed-forward layers.
    pub hidden_act: TextActivation,
    /// Epsilon of every LayerNorm: 1e-5.
    pub layer_norm_eps: f64,
    /// Width of the pooled output (1280). `None` for the first encoder, whose pooled output SDXL does not use.
    pub projection_dim: Option<usize>,
    /// The token at whose first position the pooled output is taken: 49407. Without a config it is the end token of
    /// CLIP's vocabulary, or the last row of a smaller table.
    pub eos_token_id: u32,
    /// Whether config.json gives `eos_token_id`. If not, the tokenizer determines which token ends a text.
    #[serde(skip)]
    pub eos_token_is_given: bool,
}
