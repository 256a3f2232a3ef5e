//! Layers, each built from named weights. Shapes are PyTorch's: pictures are `[batch, channels, height, width]`,
//! sequences `[batch, length, width]`.

mod attention;
mod basic;
mod norm;
mod processor;
mod resnet;

pub use attention::{attention, attention_in_slices, causal_attention};
pub use basic::{Bias, Conv2d, ConvShape, Linear, resize_nearest};
pub use norm::{GroupNorm, LayerNorm, Moments, Statistics};
pub use resnet::{ResnetBlock, ResnetSpec};

pub(crate) use processor::has as on_processor;

use burn::tensor::{Tensor, activation};

/// `x * sigmoid(x)`.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !processor::holds(&x) {
        return activation::silu(x);
    }
    let shape = x.dims();
    let mut numbers = processor::numbers(x);
    kernels::silu(&mut numbers);
    processor::tensor(numbers, shape)
}

/// GEGLU (Shazeer, 2020): `a * gelu(b)`, where `x` is `a` followed by `b`.
///
/// # Shapes
/// `[b, n, 2 * inner] -> [b, n, inner]`
pub fn geglu(x: Tensor<3>) -> Tensor<3> {
    let [b, n, inner] = x.dims();
    let inner = inner / 2;
    if processor::holds(&x) {
        return processor::tensor(kernels::geglu(&processor::read(&x), inner), [b, n, inner]);
    }
    let (value, gate) = (x.clone().narrow(2, 0, inner), x.narrow(2, inner, inner));
    value * activation::gelu(gate)
}
