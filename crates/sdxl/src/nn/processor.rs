//! Tensors in CPU memory, as the f32 slices of the crate `kernels`. On any other device the layers use burn, which has
//! that device's own kernels.

use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{DType, Device, Tensor, TensorData},
};
use std::ops::Deref;

/// Whether tensors of this type on this device are f32 slices in CPU memory.
pub(crate) fn has(device: &Device, dtype: DType) -> bool {
    dtype == DType::F32 && *device == Device::flex()
}

/// Whether this tensor is an f32 slice in CPU memory.
pub(super) fn holds<const D: usize>(x: &Tensor<D>) -> bool {
    has(&x.device(), x.dtype())
}

/// A layer's weights as in the checkpoint, row-major.
pub(super) struct LayerWeights(FlexTensor);

impl LayerWeights {
    /// The weights, if the layer computes with the CPU kernels; otherwise `None`.
    pub(super) fn of<const D: usize>(weight: &Tensor<D>) -> Option<Self> {
        has(&weight.device(), DType::F32).then(|| Self(in_order(weight)))
    }

    pub(super) fn numbers(&self) -> kernels::Weights<'_> {
        let f16 = self.0.as_slice().map(kernels::Weights::F16);
        let bf16 = || self.0.as_slice().map(kernels::Weights::Bf16);
        let f32 = || self.0.as_slice().map(kernels::Weights::F32);
        f16.or_else(bf16).or_else(f32).expect("a layer keeps one of these three")
    }
}

/// A tensor's values, row-major.
pub(super) struct Numbers(FlexTensor);

impl Deref for Numbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("`read` brought them into order")
    }
}

/// The values for reading. Copied only if they are not in row-major order.
pub(super) fn read<const D: usize>(x: &Tensor<D>) -> Numbers {
    Numbers(in_order(x))
}

fn in_order<const D: usize>(x: &Tensor<D>) -> FlexTensor {
    let x: FlexTensor = x.clone().try_into_primitive::<Flex>().expect("`has` or `holds` was asked");
    if x.is_contiguous() { x } else { x.to_contiguous() }
}

/// The values as an owned vector. Not copied if the tensor is the only owner and they are in row-major order.
pub(super) fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("`has` was asked: f32 numbers")
}

/// Makes a tensor from values, without a copy.
pub(super) fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
}
