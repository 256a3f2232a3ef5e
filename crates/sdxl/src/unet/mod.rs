//! SDXL's denoising network: diffusers' `UNet2DConditionModel` with text-time conditioning (Podell et al., 2023).

mod block;
mod embedding;
mod memory;
mod transformer;

use crate::{
    LoadError, Weights,
    nn::{Bias, Conv2d, GroupNorm, Statistics, silu},
};
use block::{Block, Direction, Mid};
use burn::tensor::{DType, Tensor};
use checkpoint::UnetConfig;
use embedding::{TimestepEmbedding, sinusoids};
pub(crate) use memory::{prompt_values, walk_forward};
use transformer::Keys;

/// The denoising network. Its forward pass takes `&self`, so threads share the weights through an `Arc`.
#[derive(Clone, Debug)]
pub struct Unet {
    conv_in: Conv2d,
    time_embedding: TimestepEmbedding,
    add_embedding: TimestepEmbedding,
    down_blocks: Vec<Block>,
    /// KOALA 700M has none.
    mid_block: Option<Mid>,
    up_blocks: Vec<Block>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    config: UnetConfig,
    dtype: DType,
}

/// The conditioning of a run, computed once for all its steps.
#[derive(Clone, Debug)]
pub struct UnetCondition {
    /// The text's keys and values for each cross-attention, in the order in which they run.
    prompt: Vec<Keys>,
    /// The embedding of the pooled text and the sizes: `[b, time_embed_dim]`.
    added: Tensor<2>,
}

impl Unet {
    /// Loads every parameter of a `UNet2DConditionModel` with this configuration, in `dtype`.
    pub fn load(mut w: Weights, config: &UnetConfig, dtype: DType) -> Result<Self, LoadError> {
        let Some((first, last)) = config.down.first().zip(config.up.last()) else {
            return Err(w.config_error("it has no blocks"));
        };
        let blocks = |w: &mut Weights, name: &str, blocks: &[checkpoint::UnetBlock], direction| {
            let load = |(i, block)| Block::load(w.sub(format_args!("{name}.{i}")), block, config, direction);
            blocks.iter().enumerate().map(load).collect::<Result<Vec<_>, _>>()
        };
        let (base, out, time) = (first.out_channels, last.out_channels, config.time_embed_dim);
        Ok(Self {
            conv_in: Conv2d::load(w.sub("conv_in"), config.in_channels, base, 3, Bias::Yes)?,
            time_embedding: TimestepEmbedding::load(w.sub("time_embedding"), base, time)?,
            add_embedding: TimestepEmbedding::load(
                w.sub("add_embedding"),
                config.projection_class_embeddings_input_dim,
                time,
            )?,
            down_blocks: blocks(&mut w, "down_blocks", &config.down, Direction::Down)?,
            mid_block: match &config.mid {
                Some(mid) => Some(Mid::load(w.sub("mid_block"), mid, config)?),
                None => None,
            },
            up_blocks: blocks(&mut w, "up_blocks", &config.up, Direction::Up)?,
            conv_norm_out: GroupNorm::load(w.sub("conv_norm_out"), out, config.norm_num_groups, config.norm_eps)?,
            conv_out: Conv2d::load(w.sub("conv_out"), out, config.out_channels, 3, Bias::Yes)?,
            config: config.clone(),
            dtype,
        })
    }

    /// The network's configuration.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// The number type of the computation.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Computes everything that is the same in all steps.
    ///
    /// # Shapes
    /// - `context`: text embeddings `[b, tokens, cross_attention_dim]`
    /// - `pooled`: `[b, pooled]`
    /// - `time_ids`: for each batch entry `[height, width, top, left, height, width]` in pixels: the original size, the
    ///   crop's top left corner, the target size
    pub fn condition(&self, context: Tensor<3>, pooled: Tensor<2>, time_ids: &[[f32; 6]]) -> UnetCondition {
        let width = self.config.addition_time_embed_dim;
        let sizes = sinusoids(time_ids.as_flattened(), width, &self.config, &pooled.device());
        let sizes = sizes.reshape([time_ids.len(), 6 * width]);
        let added = Tensor::cat(vec![pooled.cast(DType::F32), sizes], 1).cast(self.dtype);
        let context = context.cast(self.dtype);
        let down = self.down_blocks.iter().flat_map(|block| block.prompt_keys(&context));
        let up = self.up_blocks.iter().flat_map(|block| block.prompt_keys(&context));
        let mid = self.mid_block.iter().flat_map(|mid| mid.prompt_keys(&context));
        let prompt = down.chain(mid).chain(up).collect();
        UnetCondition { prompt, added: self.add_embedding.forward(added) }
    }

    /// Predicts the noise (or velocity) in `x` at `timestep` (0 to 999, may be fractional).
    ///
    /// # Shapes
    /// `x`: `[b, in_channels, h, w]`, any height and width; returns `[b, out_channels, h, w]` in f32
    ///
    /// # Panics
    /// If `condition` was computed by another UNet.
    pub fn forward(&self, x: Tensor<4>, timestep: f32, condition: &UnetCondition) -> Tensor<4> {
        let base = self.config.down.first().map_or(0, |block| block.out_channels);
        let time = sinusoids(&[timestep], base, &self.config, &x.device()).cast(self.dtype);
        // Every ResNet applies SiLU to the embedding before its own projection, so it is applied once here.
        let time = silu(self.time_embedding.forward(time) + condition.added.clone());
        let prompt = &mut condition.prompt.iter();

        let x = self.conv_in.forward(x.cast(self.dtype));
        let mut skips = vec![x.clone()];
        let mut x = self.down_blocks.iter().fold(x, |x, block| block.down(x, &time, prompt, &mut skips));
        if let Some(mid) = &self.mid_block {
            x = mid.forward(x, &time, prompt);
        }
        for block in &self.up_blocks {
            x = block.up(x, &time, prompt, &mut skips);
        }
        let x = self.conv_out.forward(self.conv_norm_out.then_silu(x, &mut Statistics::Own));
        x.cast(DType::F32)
    }
}
