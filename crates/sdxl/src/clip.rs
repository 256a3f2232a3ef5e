//! CLIP's text model (Radford et al., 2021), as in transformers' `CLIPTextModel` and `CLIPTextModelWithProjection`.
//! SDXL has two of these text encoders.

use crate::{
    LoadError, TokenizerError, Weights,
    nn::{Bias, LayerNorm, Linear, causal_attention},
};
use burn::tensor::{DType, Int, Tensor, TensorData, activation};
use checkpoint::{TextActivation, TextEncoderConfig};

/// The output of a text encoder.
#[derive(Clone, Debug)]
pub struct TextEncoding {
    /// `hidden_states[-2]`: the output of the second-to-last layer, without the final norm, `[b, n, width]`.
    pub hidden: Tensor<3>,
    /// The last layer's output after the final norm, at the first end-of-text token, projected: `[b, projection]`.
    /// `None` for an encoder without a projection.
    pub pooled: Option<Tensor<2>>,
}

/// A CLIP text encoder.
#[derive(Clone, Debug)]
pub struct TextEncoder {
    token_embedding: Tensor<2>,
    position_embedding: Tensor<2>,
    layers: Vec<Layer>,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
    config: TextEncoderConfig,
}

impl TextEncoder {
    /// Loads `text_model.*` and, with a projection, `text_projection.weight`.
    pub fn load(mut w: Weights, config: &TextEncoderConfig) -> Result<Self, LoadError> {
        let TextEncoderConfig { vocab_size, hidden_size: width, max_position_embeddings, .. } = *config;
        if config.num_hidden_layers == 0 || !width.is_multiple_of(config.num_attention_heads.max(1)) {
            return Err(w.config_error(format!(
                "{} layers of width {width} with {} heads",
                config.num_hidden_layers, config.num_attention_heads
            )));
        }
        let mut model = w.sub("text_model");
        let mut embeddings = model.sub("embeddings");
        let token_embedding = embeddings.tensor_to_widen("token_embedding.weight", [vocab_size, width])?;
        let position_embedding = embeddings.tensor("position_embedding.weight", [max_position_embeddings, width])?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            layers.push(Layer::load(model.sub(format_args!("encoder.layers.{i}")), config)?);
        }
        let final_layer_norm = LayerNorm::load(model.sub("final_layer_norm"), width, config.layer_norm_eps)?;
        let text_projection = match config.projection_dim {
            Some(out) => Some(Linear::load(w.sub("text_projection"), width, out, Bias::No)?),
            None => None,
        };
        Ok(Self {
            token_embedding,
            position_embedding,
            layers,
            final_layer_norm,
            text_projection,
            config: config.clone(),
        })
    }

    /// The encoder's configuration.
    pub fn config(&self) -> &TextEncoderConfig {
        &self.config
    }

    /// Encodes `b` rows of token ids. All rows have the same length `n`, at most `max_position_embeddings`; ids are
    /// below `vocab_size`.
    ///
    /// # Shapes
    /// `b` rows of `n` ids -> `hidden [b, n, width]`, `pooled [b, projection]`
    ///
    /// # Errors
    /// [`TokenizerError::NoEnd`]: with a projection, each row needs an end-of-text token.
    pub fn forward(&self, rows: &[Vec<u32>]) -> Result<TextEncoding, TokenizerError> {
        self.forward_with(rows, &[])
    }

    /// As [`TextEncoder::forward`], with vectors instead of tokens: each `(row, at, vectors)` replaces the embeddings of
    /// `row` from the position `at` on, before the position embedding is added. `vectors` is row-major `[m, width]`
    /// with `at + m <= n`.
    ///
    /// # Errors
    /// The same as [`TextEncoder::forward`].
    pub fn forward_with(
        &self,
        rows: &[Vec<u32>],
        replaced: &[(usize, usize, &[f32])],
    ) -> Result<TextEncoding, TokenizerError> {
        let (b, n) = (rows.len(), rows.first().map_or(0, Vec::len));
        let device = self.token_embedding.device();
        let ids: Vec<i32> = rows.iter().flatten().map(|&id| id as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [b * n]), &device);
        let width = self.config.hidden_size;
        let tokens = self.token_embedding.clone().select(0, ids).reshape([b, n, width]);
        let tokens = tokens.cast(self.position_embedding.dtype());
        let tokens = replaced.iter().fold(tokens, |tokens, &(row, at, vectors)| {
            let m = vectors.len() / width;
            let vectors = TensorData::new(vectors.to_vec(), [1, m, width]);
            let vectors = Tensor::<3>::from_data(vectors, (&device, DType::F32)).cast(tokens.dtype());
            tokens.slice_assign([row..row + 1, at..at + m, 0..width], vectors)
        });
        let positions = self.position_embedding.clone().narrow(0, 0, n).unsqueeze::<3>();
        let (last, before) = match self.layers.split_last() {
            Some((last, before)) => (Some(last), before),
            None => (None, &self.layers[..]),
        };
        let hidden = before.iter().fold(tokens + positions, |x, layer| layer.forward(x));
        // Only the pooled embedding needs the last layer, so the first encoder does not run it.
        let pooled = match (&self.text_projection, last) {
            (Some(projection), Some(last)) => {
                let x = last.forward(hidden.clone());
                Some(projection.forward(self.final_layer_norm.forward(self.at_end_of_text(x, rows)?)))
            }
            _ => None,
        };
        Ok(TextEncoding { hidden, pooled })
    }

    /// The state at each row's first end-of-text token: `[b, n, width] -> [b, width]`.
    fn at_end_of_text(&self, x: Tensor<3>, rows: &[Vec<u32>]) -> Result<Tensor<2>, TokenizerError> {
        let [b, n, width] = x.dims();
        let end = self.config.eos_token_id;
        let at = |(row, ids): (usize, &Vec<u32>)| match ids.iter().position(|&id| id == end) {
            Some(position) => Ok((row * n + position) as i32),
            None => Err(TokenizerError::NoEnd { end }),
        };
        let indices = rows.iter().enumerate().map(at).collect::<Result<Vec<i32>, _>>()?;
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [b]), &x.device());
        Ok(x.reshape([b * n, width]).select(0, indices))
    }
}

/// `x + attention(norm1(x))`, then `x + mlp(norm2(x))`.
#[derive(Clone, Debug)]
struct Layer {
    layer_norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    layer_norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
    activation: TextActivation,
}

impl Layer {
    fn load(mut w: Weights, config: &TextEncoderConfig) -> Result<Self, LoadError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let mut projection = |name| Linear::load(w.sub(format_args!("self_attn.{name}")), width, width, Bias::Yes);
        Ok(Self {
            q_proj: projection("q_proj")?,
            k_proj: projection("k_proj")?,
            v_proj: projection("v_proj")?,
            out_proj: projection("out_proj")?,
            layer_norm1: LayerNorm::load(w.sub("layer_norm1"), width, config.layer_norm_eps)?,
            layer_norm2: LayerNorm::load(w.sub("layer_norm2"), width, config.layer_norm_eps)?,
            fc1: Linear::load(w.sub("mlp.fc1"), width, inner, Bias::Yes)?,
            fc2: Linear::load(w.sub("mlp.fc2"), inner, width, Bias::Yes)?,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
        })
    }

    /// # Shapes
    /// `[b, n, width] -> [b, n, width]`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = self.layer_norm1.forward(x.clone());
        let (q, k) = (self.q_proj.forward(y.clone()), self.k_proj.forward(y.clone()));
        let v = self.v_proj.forward(y);
        let x = self.out_proj.forward_onto(causal_attention(q, k, v, self.heads), x);
        let y = self.fc1.forward(self.layer_norm2.forward(x.clone()));
        let y = match self.activation {
            TextActivation::QuickGelu => activation::sigmoid(y.clone() * 1.702) * y,
            TextActivation::Gelu => activation::gelu(y),
        };
        self.fc2.forward_onto(y, x)
    }
}
