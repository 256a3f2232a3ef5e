//! Shapes of the two picture codecs.

use serde::{Deserialize, Serialize};

/// Shape of an AutoencoderKL. Epsilon of its GroupNorms is fixed at 1e-6 and not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaeConfig {
    /// Channels of the picture that goes in: 3.
    pub in_channels: usize,
    /// Channels of the picture that comes out: 3.
    pub out_channels: usize,
    /// Channels of the latent: 4. The encoder gives twice as many: mean and log variance.
    pub latent_channels: usize,
    /// Channels of each level from the picture's side inwards: `[128, 256, 512, 512]`. Both halves.
    pub block_out_channels: Vec<usize>,
    /// ResNets a level in the encoder: 2. The decoder has one more a level.
    pub layers_per_block: usize,
    /// Groups of every GroupNorm: 32.
    pub norm_num_groups: usize,
    /// The pipeline's latent is the encoder's times this: 0.13025.
    pub scaling_factor: f64,
    /// Taken from the encoder's latent before scaling: 0 in SDXL.
    pub shift_factor: f64,
    /// Whether the middle has its one-head attention: true.
    pub mid_attention: bool,
    /// Whether a 1x1 convolution follows the encoder: true.
    pub use_quant_conv: bool,
    /// Whether a 1x1 convolution precedes the decoder: true.
    pub use_post_quant_conv: bool,
    /// Whether the model overflows in f16, by its makers' word.
    pub force_upcast: bool,
}

/// Shape of an AutoencoderTiny's decoder (TAESD). Its encoder is not loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaesdConfig {
    /// Channels of the latent: 4.
    pub latent_channels: usize,
    /// Channels of the picture: 3.
    pub out_channels: usize,
    /// Channels throughout: 64. (diffusers writes a list of equal numbers.)
    pub channels: usize,
    /// Residual blocks in each stage; between two stages the picture doubles: `[3, 3, 3, 1]`.
    pub num_blocks: Vec<usize>,
    /// The input is squashed to `tanh(x / m) * m` first: 3.
    pub latent_magnitude: f64,
    /// The latent that the decoder takes is the pipeline's times this: 1.
    pub scaling_factor: f64,
}
