//! Layers, each built from named weights. Shapes are PyTorch's: images are `[batch, channels, height, width]`, sequences
//! `[batch, length, width]`.
//!
//! The module `device` chooses the kernel for each operation by the tensor's device.

mod adapt;
mod attention;
mod basic;
mod device;
mod live;
mod low_rank;
mod norm;
mod resnet;
mod statistics;

pub use attention::{attention, attention_in_slices, causal_attention};
pub use basic::{Bias, Conv2d, ConvShape, Linear, resize_nearest};
pub use live::ComputesOn;
pub use norm::{GroupNorm, LayerNorm};
pub use resnet::{ResnetBlock, ResnetSpec};
pub use statistics::{Moments, Statistics};

pub(crate) use adapt::{Adaptable, Factors, changed};
pub(crate) use device::{Parameters, uses_cpu_kernels};
pub(crate) use live::{Live, WIDE};

use burn::tensor::Tensor;

/// `x * sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    device::silu(x)
}

/// PReLU (He et al., 2015): `max(x, 0) + slope * min(x, 0)`.
///
/// # Shapes
/// `x`: `[b, c, h, w]`, `slopes`: `[c]`; result as `x`
pub fn prelu(x: Tensor<4>, slopes: &Tensor<1>) -> Tensor<4> {
    device::prelu(x, slopes)
}

/// GEGLU (Shazeer, 2020): `a * gelu(b)`, where `[a, b] = x`.
///
/// # Shapes
/// `[b, n, 2 * inner] -> [b, n, inner]`
pub fn geglu(x: Tensor<3>) -> Tensor<3> {
    device::geglu(x)
}
