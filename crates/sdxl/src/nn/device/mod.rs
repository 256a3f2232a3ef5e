//! The operations of the layers, for each kind of device. This is the only place that chooses between them: layers call
//! these functions and do not know where a tensor is.
//!
//! - f32 on the CPU: the crate `kernels`, on plain slices, with packed weights ([`cpu`]).
//! - Any other device or number type: burn's operations ([`generic`]).
//!
//! burn's `#[backend_extension]` is not used. It selects a backend by its tensors, but packed weights are not tensors, so
//! each layer would still hold one of two kinds of weights. On a GPU it would also end burn's fusion at each operation.

mod cpu;
mod generic;
mod stored;

pub(crate) use stored::{Keep, Parameters, Stored};
pub(super) use stored::{tensor_bytes, tensor_like};

use super::statistics::Statistics;
use burn::tensor::{DType, Device, Tensor};
use kernels::ConvShape;
use std::sync::Arc;

/// Whether tensors of this type on this device are computed by the crate `kernels`.
pub(crate) fn uses_cpu_kernels(device: &Device, dtype: DType) -> bool {
    dtype == DType::F32 && *device == Device::flex()
}

fn is_cpu<const D: usize>(x: &Tensor<D>) -> bool {
    uses_cpu_kernels(&x.device(), x.dtype())
}

/// Weights of a linear layer, in the form that the device's operation reads.
#[derive(Clone, Debug)]
pub(crate) enum LinearWeights {
    /// Packed.
    Cpu(Arc<kernels::Linear>),
    /// The weight as `[d_in, d_out]`, and the bias.
    Generic(Box<(Tensor<2>, Option<Tensor<1>>)>),
}

impl LinearWeights {
    /// Takes a weight `[d_out, d_in]` and a bias `[d_out]`, for computing in f32 on the CPU or in the weight's type elsewhere.
    pub(super) fn new(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Self {
        match uses_cpu_kernels(&weight.device(), DType::F32) {
            true => Self::Cpu(Arc::new(cpu::pack_linear(&weight, bias))),
            // A transposed view: matrix products take strides.
            false => Self::Generic(Box::new((weight.transpose(), bias))),
        }
    }

    /// `x Wᵀ + b`
    pub(super) fn apply<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Cpu(packed) => cpu::linear(packed, &x),
            Self::Generic(parameters) => generic::linear(parameters, x),
        }
    }

    /// `y + x Wᵀ + b`
    pub(super) fn apply_onto<const D: usize>(&self, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Cpu(packed) => cpu::linear_onto(packed, &x, y),
            Self::Generic(_) => y + self.apply(x),
        }
    }
}

/// Weights of a convolution, in the form that the device's operation reads.
#[derive(Clone, Debug)]
pub(crate) enum ConvWeights {
    /// Packed.
    Cpu(Arc<kernels::Conv2d>),
    /// The weight `[c_out, c_in, kernel, kernel]` and the bias.
    Generic(Box<(Tensor<4>, Option<Tensor<1>>)>, ConvShape),
}

impl ConvWeights {
    /// Takes a weight `[c_out, c_in, kernel, kernel]` and a bias `[c_out]`, as [`LinearWeights::new`] does.
    pub(super) fn new(weight: Tensor<4>, bias: Option<Tensor<1>>, shape: ConvShape) -> Self {
        match uses_cpu_kernels(&weight.device(), DType::F32) {
            true => Self::Cpu(Arc::new(cpu::pack_conv2d(&weight, bias, shape))),
            false => Self::Generic(Box::new((weight, bias)), shape),
        }
    }

    /// `[b, c_in, h, w] -> [b, c_out, h', w']`
    pub(super) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Cpu(packed) => cpu::conv2d(packed, &x),
            Self::Generic(parameters, shape) => generic::conv2d(parameters, *shape, x),
        }
    }

    /// `apply(x)`, with `shift` `[b, c_out]` added to all pixels of each channel.
    pub(super) fn apply_shifted(&self, x: Tensor<4>, shift: Tensor<2>) -> Tensor<4> {
        match self {
            Self::Cpu(packed) => cpu::conv2d_shifted(packed, &x, &shift),
            Self::Generic(..) => {
                let [b, c_out] = shift.dims();
                self.apply(x) + shift.reshape([b, c_out, 1, 1])
            }
        }
    }

    /// `y + apply(x)`
    pub(super) fn apply_onto(&self, x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Cpu(packed) => cpu::conv2d_onto(packed, &x, y),
            Self::Generic(..) => y + self.apply(x),
        }
    }
}

/// `x * sigmoid(x)`
pub(super) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if is_cpu(&x) { cpu::silu(x) } else { generic::silu(x) }
}

/// `max(x, 0) + slope * min(x, 0)`, with a slope for each channel
pub(super) fn prelu(x: Tensor<4>, slopes: &Tensor<1>) -> Tensor<4> {
    if is_cpu(&x) { cpu::prelu(x, slopes) } else { generic::prelu(x, slopes) }
}

/// `a * gelu(b)`, where `[a, b] = x`: `[b, n, 2 * inner] -> [b, n, inner]`
pub(super) fn geglu(x: Tensor<3>) -> Tensor<3> {
    if is_cpu(&x) { cpu::geglu(&x) } else { generic::geglu(x) }
}

/// Attention of each head over `[b, n, heads * d]`.
pub(super) fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    if is_cpu(&q) { cpu::attention(&q, &k, &v, heads) } else { generic::attention(q, k, v, heads, false) }
}

/// As [`attention`]; each position attends to itself and earlier ones only. Always burn's: only the text encoders use it,
/// over 77 tokens.
pub(super) fn causal_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    generic::attention(q, k, v, heads, true)
}

/// As [`attention`], with at most `max_scores` scores in memory. The CPU kernel never has more than a tile of them.
pub(super) fn attention_in_slices(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    max_scores: usize,
) -> Tensor<3> {
    if is_cpu(&q) {
        cpu::attention(&q, &k, &v, heads)
    } else {
        generic::attention_in_slices(q, k, v, heads, max_scores)
    }
}

/// Parameters of a norm.
#[derive(Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) weight: &'a Tensor<1>,
    pub(super) bias: &'a Tensor<1>,
    pub(super) epsilon: f64,
}

/// Group norm over `[b, c, h, w]`, optionally followed by SiLU.
pub(super) fn group_norm(
    x: Tensor<4>,
    norm: Norm<'_>,
    groups: usize,
    with_silu: bool,
    statistics: &mut Statistics<'_>,
) -> Tensor<4> {
    if matches!(statistics, Statistics::Own) && is_cpu(&x) {
        return cpu::group_norm(x, norm, groups, with_silu);
    }
    let y = generic::group_norm(x, norm, groups, statistics);
    if with_silu { silu(y) } else { y }
}

/// Layer norm over the last axis.
pub(super) fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm<'_>) -> Tensor<D> {
    if is_cpu(&x) { cpu::layer_norm(&x, norm) } else { generic::layer_norm(x, norm) }
}
