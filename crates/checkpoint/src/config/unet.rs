//! The UNet's shape, resolved to one entry a block.

use serde::{Deserialize, Serialize};

/// Shape of an SDXL UNet2DConditionModel: everything that a module needs to be built, block by block.
///
/// Epsilon of the GroupNorm inside transformers is not here: diffusers fixes it at 1e-6. Projections into
/// and out of transformers are linear always: 1x1 convolutions in the file are squeezed by the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnetConfig {
    /// Channels of the latent that goes in: 4.
    pub in_channels: usize,
    /// Channels of the prediction that comes out: 4.
    pub out_channels: usize,
    /// From the picture's side inwards.
    pub down: Vec<UnetBlock>,
    /// The middle.
    pub mid: UnetMid,
    /// From the middle outwards; `up.len() == down.len()`.
    pub up: Vec<UnetBlock>,
    /// Width of the text embeddings: 2048.
    pub cross_attention_dim: usize,
    /// Width of the time embedding: four times the first block's channels.
    pub time_embed_dim: usize,
    /// Sines for each of the six size numbers: 256.
    pub addition_time_embed_dim: usize,
    /// Width of pooled embedding plus six times `addition_time_embed_dim`: 2816.
    pub projection_class_embeddings_input_dim: usize,
    /// Groups of every GroupNorm: 32.
    pub norm_num_groups: usize,
    /// Epsilon of the GroupNorms in ResNets and before the last convolution: 1e-5.
    pub norm_eps: f64,
    /// Whether cosines precede sines in time embeddings: true.
    pub flip_sin_to_cos: bool,
    /// Subtracted from the half width in the sines' exponent: 0.
    pub freq_shift: f64,
}

/// One block on the way down or up: ResNets, each with a transformer behind it or none, then a resampler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnetBlock {
    /// Input channels of each ResNet, on the way up with the skip's channels added; its length is the
    /// number of layers.
    pub resnet_in_channels: Vec<usize>,
    /// Output channels of every ResNet, and the transformers' width.
    pub out_channels: usize,
    /// Transformer blocks behind each ResNet; empty where the block has no attention, else as long as
    /// `resnet_in_channels`. A 0 is a transformer without blocks: norm and both projections remain.
    pub transformer_depths: Vec<usize>,
    /// Attention heads (diffusers' `attention_head_dim`); 1 without attention.
    pub heads: usize,
    /// Whether a downsampler (or upsampler) follows.
    pub resamples: bool,
}

/// The block in the middle: ResNet, transformer, ResNet; or one ResNet alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnetMid {
    /// Channels in and out.
    pub channels: usize,
    /// Transformer blocks; none means that the middle is one ResNet (`mid_block_type` UNetMidBlock2D).
    pub transformer_depth: Option<usize>,
    /// Attention heads.
    pub heads: usize,
}

impl UnetConfig {
    /// Channels of each level from the picture's side inwards: `[320, 640, 1280]`.
    pub fn block_out_channels(&self) -> Vec<usize> {
        self.down.iter().map(|block| block.out_channels).collect()
    }

    /// Width of the pooled text embedding: 1280.
    pub fn pooled_dim(&self) -> usize {
        self.projection_class_embeddings_input_dim.saturating_sub(6 * self.addition_time_embed_dim)
    }
}

impl UnetBlock {
    /// Whether transformers stand behind the ResNets.
    pub fn has_attention(&self) -> bool {
        !self.transformer_depths.is_empty()
    }
}
