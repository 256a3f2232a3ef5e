//! The operations by the crate `kernels`, on the slices of f32 tensors in the CPU's memory.

use super::Norm;
use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{Device, Tensor, TensorData},
};
use kernels::ConvShape;
use std::ops::Deref;

/// Packs a weight `[d_out, d_in]`.
pub(super) fn pack_linear(weight: &Tensor<2>, bias: Option<Tensor<1>>) -> kernels::Linear {
    let [d_out, d_in] = weight.dims();
    let weight = contiguous(weight);
    kernels::Linear::new(weights(&weight), bias.map(into_values).as_deref(), d_in, d_out)
}

pub(super) fn linear<const D: usize>(packed: &kernels::Linear, x: &Tensor<D>) -> Tensor<D> {
    let mut shape = x.dims();
    shape[D - 1] = packed.d_out();
    tensor(packed.forward(&values(x)), shape)
}

pub(super) fn linear_onto<const D: usize>(packed: &kernels::Linear, x: &Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    let (shape, mut y) = (y.dims(), into_values(y));
    packed.add_to(&values(x), &mut y);
    tensor(y, shape)
}

/// Packs a weight `[c_out, c_in, kernel, kernel]`.
pub(super) fn pack_conv2d(weight: &Tensor<4>, bias: Option<Tensor<1>>, shape: ConvShape) -> kernels::Conv2d {
    let weight = contiguous(weight);
    kernels::Conv2d::new(weights(&weight), bias.map(into_values).as_deref(), shape)
}

pub(super) fn conv2d(packed: &kernels::Conv2d, x: &Tensor<4>) -> Tensor<4> {
    let [b, _, h, w] = x.dims();
    let [height, width] = packed.sides([h, w]);
    tensor(packed.forward(&values(x), [h, w]), [b, packed.shape().c_out, height, width])
}

pub(super) fn conv2d_shifted(packed: &kernels::Conv2d, x: &Tensor<4>, shift: &Tensor<2>) -> Tensor<4> {
    let ([b, _, h, w], [_, c_out]) = (x.dims(), shift.dims());
    let [height, width] = packed.sides([h, w]);
    tensor(packed.forward_shifted(&values(x), [h, w], &values(shift)), [b, c_out, height, width])
}

pub(super) fn conv2d_onto(packed: &kernels::Conv2d, x: &Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    let ([_, _, h, w], shape, mut y) = (x.dims(), y.dims(), into_values(y));
    packed.add_to(&values(x), [h, w], &mut y);
    tensor(y, shape)
}

pub(super) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let shape = x.dims();
    let mut x = into_values(x);
    kernels::silu(&mut x);
    tensor(x, shape)
}

pub(super) fn prelu(x: Tensor<4>, slopes: &Tensor<1>) -> Tensor<4> {
    let shape = x.dims();
    let [_, _, h, w] = shape;
    let mut x = into_values(x);
    kernels::prelu(&mut x, &values(slopes), h * w);
    tensor(x, shape)
}

pub(super) fn geglu(x: &Tensor<3>) -> Tensor<3> {
    let [b, n, inner] = x.dims();
    let inner = inner / 2;
    tensor(kernels::geglu(&values(x), inner), [b, n, inner])
}

pub(super) fn attention(q: &Tensor<3>, k: &Tensor<3>, v: &Tensor<3>, heads: usize) -> Tensor<3> {
    let [b, n, width] = q.dims();
    tensor(kernels::attention(&values(q), &values(k), &values(v), b, heads, width / heads), [b, n, width])
}

/// In place if nobody else holds `x`.
pub(super) fn group_norm(x: Tensor<4>, norm: Norm<'_>, groups: usize, with_silu: bool) -> Tensor<4> {
    let shape = x.dims();
    let [_, _, h, w] = shape;
    let (mut x, weight, bias) = (into_values(x), values(norm.weight), values(norm.bias));
    kernels::group_norm(&mut x, h * w, groups, &weight, &bias, norm.epsilon as f32, with_silu);
    tensor(x, shape)
}

pub(super) fn layer_norm<const D: usize>(x: &Tensor<D>, norm: Norm<'_>) -> Tensor<D> {
    let (weight, bias) = (values(norm.weight), values(norm.bias));
    tensor(kernels::layer_norm(&values(x), &weight, &bias, norm.epsilon as f32), x.dims())
}

/// The values of a layer's weight, in the number type of the checkpoint.
fn weights(weight: &FlexTensor) -> kernels::Weights<'_> {
    let f16 = weight.as_slice().map(kernels::Weights::F16);
    let bf16 = || weight.as_slice().map(kernels::Weights::Bf16);
    let f32 = || weight.as_slice().map(kernels::Weights::F32);
    f16.or_else(bf16).or_else(f32).expect("weights have one of these three types")
}

/// The values of a contiguous f32 tensor.
struct Values(FlexTensor);

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("`values` made it contiguous")
    }
}

/// Borrows a tensor's values, row-major. Copies them only if the tensor is not contiguous.
fn values<const D: usize>(x: &Tensor<D>) -> Values {
    Values(contiguous(x))
}

fn contiguous<const D: usize>(x: &Tensor<D>) -> FlexTensor {
    let x: FlexTensor = x.clone().try_into_primitive::<Flex>().expect("the device is the CPU");
    if x.is_contiguous() { x } else { x.to_contiguous() }
}

/// Takes a tensor's values, row-major. Copies them only if the tensor is shared or not contiguous.
fn into_values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("the tensor has f32 values")
}

/// A tensor with these values. Does not copy them.
fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}
