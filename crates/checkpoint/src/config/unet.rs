//! The UNet's configuration, with one entry per block.

use serde::{Deserialize, Serialize};

/// Configuration of an SDXL UNet2DConditionModel: everything needed to build each block.
///
/// It does not contain the epsilon of the transformers' GroupNorm, which diffusers fixes at 1e-6. The projections of
/// transformers are always linear: the plan squeezes 1x1 convolutions in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnetConfig {
    /// Channels of the latent input: 4.
    pub in_channels: usize,
    /// Channels of the prediction: 4.
    pub out_channels: usize,
    /// Down blocks, in the order in which they run.
    pub down: Vec<UnetBlock>,
    /// The middle block; `None` in KOALA 700M.
    pub mid: Option<UnetMid>,
    /// Up blocks, in the order in which they run; `up.len() == down.len()`.
    pub up: Vec<UnetBlock>,
    /// Width of the text embeddings: 2048.
    pub cross_attention_dim: usize,
    /// Width of the time embedding: four times the first block's channels.
    pub time_embed_dim: usize,
    /// Sinusoid values per size number (there are six): 256.
    pub addition_time_embed_dim: usize,
    /// Width of the pooled embedding plus six times `addition_time_embed_dim`: 2816.
    pub projection_class_embeddings_input_dim: usize,
    /// Groups of every GroupNorm: 32.
    pub norm_num_groups: usize,
    /// Epsilon of the GroupNorms in ResNets and before the last convolution: 1e-5.
    pub norm_eps: f64,
    /// Whether cosines come before sines in time embeddings: true.
    pub flip_sin_to_cos: bool,
    /// Subtracted from half the width in the exponent of the sinusoids' frequencies: 0.
    pub freq_shift: f64,
}

/// A down or up block: ResNets, each optionally followed by a transformer, then an optional resampler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnetBlock {
    /// Input channels of each ResNet, in up blocks including the skip's channels. The length is the number of layers.
    pub resnet_in_channels: Vec<usize>,
    /// Output channels of all ResNets, and the transformers' width.
    pub out_channels: usize,
    /// Number of transformer blocks after each ResNet. Empty if the block has no attention, otherwise as long as
    /// `resnet_in_channels`. A 0 means a transformer without blocks, which still has its norm and both projections.
    pub transformer_depths: Vec<usize>,
    /// Attention heads (diffusers' `attention_head_dim`); 1 without attention.
    pub heads: usize,
    /// Whether a downsampler (or upsampler) follows.
    pub resamples: bool,
}

/// The middle block: ResNet, transformer, ResNet; or only one ResNet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnetMid {
    /// Channels in and out.
    pub channels: usize,
    /// Number of transformer blocks. `None` means that the middle is one ResNet (`mid_block_type` UNetMidBlock2D).
    pub transformer_depth: Option<usize>,
    /// Attention heads.
    pub heads: usize,
}

impl UnetConfig {
    /// Channels of each level, outermost first: `[320, 640, 1280]`.
    pub fn block_out_channels(&self) -> Vec<usize> {
        self.down.iter().map(|block| block.out_channels).collect()
    }

    /// Width of the pooled text embedding: 1280.
    pub fn pooled_dim(&self) -> usize {
        self.projection_class_embeddings_input_dim.saturating_sub(6 * self.addition_time_embed_dim)
    }
}

impl UnetBlock {
    /// Whether transformers follow the ResNets.
    pub fn has_attention(&self) -> bool {
        !self.transformer_depths.is_empty()
    }
}
