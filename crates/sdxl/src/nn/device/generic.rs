//! The operations by burn, for GPUs and for number types other than f32.

use super::{Norm, Statistics};
use burn::tensor::{
    DType, Tensor, activation, module,
    ops::{AttentionModuleOptions, ConvOptions},
};
use kernels::ConvShape;

pub(super) fn linear<const D: usize>(parameters: &(Tensor<2>, Option<Tensor<1>>), x: Tensor<D>) -> Tensor<D> {
    let (weight, bias) = parameters.clone();
    module::linear(x, weight, bias)
}

pub(super) fn conv2d(parameters: &(Tensor<4>, Option<Tensor<1>>), shape: ConvShape, x: Tensor<4>) -> Tensor<4> {
    let ConvShape { stride: s, padding: p, .. } = shape;
    let options = ConvOptions::new_with_padding([s, s], [p, p], [1, 1], 1);
    let (weight, bias) = parameters.clone();
    module::conv2d(x, weight, bias, options)
}

pub(super) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::silu(x)
}

pub(super) fn prelu(x: Tensor<4>, slopes: &Tensor<1>) -> Tensor<4> {
    let [channels] = slopes.dims();
    let slopes = slopes.clone().reshape([1, channels, 1, 1]);
    x.clone().clamp_min(0.0) + x.clamp_max(0.0) * slopes
}

pub(super) fn geglu(x: Tensor<3>) -> Tensor<3> {
    let [_, _, inner] = x.dims();
    let inner = inner / 2;
    let (value, gate) = (x.clone().narrow(2, 0, inner), x.narrow(2, inner, inner));
    value * activation::gelu(gate)
}

pub(super) fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, is_causal: bool) -> Tensor<3> {
    let [b, n, width] = q.dims();
    // `scale`, `softcap` and a bias stay unset: with any of them the GPU backend stores all scores, 671 MB for ten heads of
    // 4096 by 4096.
    let options = AttentionModuleOptions { is_causal, ..Default::default() };
    let [q, k, v] = [q, k, v].map(|x| split_heads(x, heads));
    module::attention(q, k, v, None, None, options).swap_dims(1, 2).reshape([b, n, width])
}

/// `[b, n, heads * d] -> [b, heads, n, d]`
fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, n, width] = x.dims();
    x.reshape([b, n, heads, width / heads]).swap_dims(1, 2)
}

/// Attention over slices of the queries, so that a slice has at most `max_scores` scores.
pub(super) fn attention_in_slices(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    max_scores: usize,
) -> Tensor<3> {
    let ([b, n, _], [_, m, _]) = (q.dims(), k.dims());
    let slice = (max_scores / (b * heads * m).max(1)).max(1);
    if n <= slice {
        return attention(q, k, v, heads, false);
    }
    let part = |start: usize| {
        let q = q.clone().narrow(1, start, slice.min(n - start));
        attention(q, k.clone(), v.clone(), heads, false)
    };
    Tensor::cat((0..n).step_by(slice).map(part).collect(), 1)
}

pub(super) fn group_norm(x: Tensor<4>, norm: Norm<'_>, groups: usize, statistics: &mut Statistics<'_>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let dtype = x.dtype();
    let per_group = c / groups * h * w;
    // In f16 a sum of squares exceeds 65504 and the picture turns black, so compute in f32.
    let x = widen(x.reshape([b, groups, per_group]));
    let (centred, inverse_std) = statistics.apply(x, norm.epsilon);
    // One scale for each channel instead of a division for each pixel.
    let scale =
        inverse_std.expand([b, groups, c / groups]).reshape([b, c, 1]) * widen(norm.weight.clone()).reshape([1, c, 1]);
    let y = centred.reshape([b, c, h * w]) * scale + widen(norm.bias.clone()).reshape([1, c, 1]);
    y.cast(dtype).reshape([b, c, h, w])
}

pub(super) fn layer_norm<const D: usize>(x: Tensor<D>, norm: Norm<'_>) -> Tensor<D> {
    let dtype = x.dtype();
    let (weight, bias) = (widen(norm.weight.clone()), widen(norm.bias.clone()));
    let y = module::layer_norm(widen(x), weight, Some(bias), norm.epsilon);
    if dtype == DType::F32 { y } else { y.cast(dtype) }
}

fn widen<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 { x } else { x.cast(DType::F32) }
}
