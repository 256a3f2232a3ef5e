//! A CLIP text model's parameters: transformers' names, and OpenCLIP's, which stacks q, k and v into one matrix and
//! stores `text_projection` transposed.

use super::{Expected, Names, Path};
use crate::{
    Transform,
    config::{LINEAR_PROJECTION, TextEncoderConfig},
};

/// Every parameter of a CLIPTextModel with this configuration, including the projection if it has one.
pub(crate) fn text_encoder(config: &TextEncoderConfig) -> Vec<Expected> {
    let mut names = Names::default();
    let root = Path::new("text_model", "");
    let width = config.hidden_size;
    let tokens = root.sub("embeddings.token_embedding.weight", "token_embedding.weight");
    names.push(&tokens, &[config.vocab_size, width]);
    let positions = root.sub("embeddings.position_embedding.weight", "positional_embedding");
    names.push(&positions, &[config.max_position_embeddings, width]);
    for index in 0..config.num_hidden_layers {
        let at = root.sub(&format!("encoder.layers.{index}"), &format!("transformer.resblocks.{index}"));
        layer(&mut names, &at, width, config.intermediate_size);
    }
    names.norm(&root.sub("final_layer_norm", "ln_final"), width);
    if let Some(pooled) = config.projection_dim {
        let at = Path::new("text_projection.weight", "text_projection");
        let projection = names.push(&at, &[pooled, width]);
        projection.transform = Transform::Transpose;
        // ComfyUI reads this name as a linear layer's weight, not transposed. The matrix is square in SDXL, so only the
        // name distinguishes the two.
        projection.also = Some(LINEAR_PROJECTION);
    }
    names.0
}

fn layer(names: &mut Names, at: &Path, width: usize, inner: usize) {
    let attention = at.sub("self_attn", "attn");
    for (index, projection) in ["q_proj", "k_proj", "v_proj"].into_iter().enumerate() {
        let stacked = Transform::Rows { start: index * width, rows: width };
        let weight = attention.sub(&format!("{projection}.weight"), "in_proj_weight");
        names.push(&weight, &[width, width]).transform = stacked;
        let bias = attention.sub(&format!("{projection}.bias"), "in_proj_bias");
        names.push(&bias, &[width]).transform = stacked;
    }
    names.linear(&attention.same("out_proj"), width, width);
    names.norm(&at.sub("layer_norm1", "ln_1"), width);
    names.norm(&at.sub("layer_norm2", "ln_2"), width);
    names.linear(&at.sub("mlp.fc1", "mlp.c_fc"), inner, width);
    names.linear(&at.sub("mlp.fc2", "mlp.c_proj"), width, inner);
}
