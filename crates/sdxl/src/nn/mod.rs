//! Layers, each built from named weights. Shapes are PyTorch's: images are `[batch, channels, height,
//! width]`, sequences `[batch, length, width]`.

mod attention;
mod basic;
mod norm;
mod resnet;

pub use attention::{attention, attention_in_slices, causal_attention};
pub use basic::{Bias, Conv2d, Linear, resize_nearest};
pub use norm::{GroupNorm, LayerNorm, Moments, Statistics};
pub use resnet::{ResnetBlock, ResnetSpec};

use burn::tensor::{Tensor, activation};

/// `x * sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::silu(x)
}
