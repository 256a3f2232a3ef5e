//! Configurations of the VAE and the TAESD.

use serde::{Deserialize, Serialize};

/// Configuration of an AutoencoderKL. The epsilon of its GroupNorms is always 1e-6 and not listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaeConfig {
    /// Channels of the input picture: 3.
    pub in_channels: usize,
    /// Channels of the output picture: 3.
    pub out_channels: usize,
    /// Channels of the latent: 4. The encoder returns twice as many: mean and log variance.
    pub latent_channels: usize,
    /// Channels of each level of encoder and decoder, outermost first: `[128, 256, 512, 512]`.
    pub block_out_channels: Vec<usize>,
    /// ResNets per level in the encoder: 2. The decoder has one more per level.
    pub layers_per_block: usize,
    /// Groups of every GroupNorm: 32.
    pub norm_num_groups: usize,
    /// Factor from the encoder's latent to the sampler's: 0.13025.
    pub scaling_factor: f64,
    /// Subtracted from the encoder's latent before scaling: 0 in SDXL.
    pub shift_factor: f64,
    /// Whether the middle has single-head attention: true.
    pub mid_attention: bool,
    /// Whether a 1x1 convolution follows the encoder: true.
    pub use_quant_conv: bool,
    /// Whether a 1x1 convolution precedes the decoder: true.
    pub use_post_quant_conv: bool,
    /// Whether the model overflows in f16 according to its authors.
    pub force_upcast: bool,
}

/// SDXL's factor from the encoder's latent to the sampler's.
pub(super) const SDXL_SCALING_FACTOR: f64 = 0.13025;

impl VaeConfig {
    /// Whether its latents are scaled as SDXL's UNet expects them. Stable Diffusion 1 and 2 have the factor 0.18215, with
    /// tensors of the same shapes.
    pub fn has_sdxl_scale(&self) -> bool {
        self.has_scale_of(SDXL_SCALING_FACTOR, 0.0)
    }

    /// Whether its latents are scaled and shifted as those of another VAE.
    pub fn is_scaled_as(&self, other: &Self) -> bool {
        self.has_scale_of(other.scaling_factor, other.shift_factor)
    }

    fn has_scale_of(&self, factor: f64, shift: f64) -> bool {
        // Some files contain 0.13025 as an f32.
        (self.scaling_factor - factor).abs() < 1e-5 && (self.shift_factor - shift).abs() < 1e-5
    }
}

/// Configuration of an AutoencoderTiny's decoder (TAESD). Its encoder is not loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaesdConfig {
    /// Channels of the latent: 4.
    pub latent_channels: usize,
    /// Channels of the picture: 3.
    pub out_channels: usize,
    /// Channels of all layers: 64. (diffusers stores a list of equal numbers.)
    pub channels: usize,
    /// Residual blocks in each stage; the size doubles between stages: `[3, 3, 3, 1]`.
    pub num_blocks: Vec<usize>,
    /// The input is limited by `tanh(x / m) * m` first: 3.
    pub latent_magnitude: f64,
    /// Factor from the sampler's latent to the decoder's input: 1.
    pub scaling_factor: f64,
}
