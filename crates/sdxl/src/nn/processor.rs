//! Tensors in the processor's own memory, as the plain numbers that the crate `kernels` computes with. On any
//! other device the layers go through burn, whose kernels there are the device's own.

use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{DType, Device, Tensor, TensorData},
};
use std::ops::Deref;

/// Whether a tensor of this type on this device is plain f32 numbers.
pub(crate) fn has(device: &Device, dtype: DType) -> bool {
    dtype == DType::F32 && *device == Device::flex()
}

/// Whether this tensor is.
pub(super) fn holds<const D: usize>(x: &Tensor<D>) -> bool {
    has(&x.device(), x.dtype())
}

/// A layer's weights as the checkpoint has them, row-major.
pub(super) struct LayerWeights(FlexTensor);

impl LayerWeights {
    /// Where the layer computes in the processor's memory.
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

/// A tensor's numbers, row-major.
pub(super) struct Numbers(FlexTensor);

impl Deref for Numbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("`read` brought them into order")
    }
}

/// Its numbers to read, where they lie: copied only where they lie out of order.
pub(super) fn read<const D: usize>(x: &Tensor<D>) -> Numbers {
    Numbers(in_order(x))
}

fn in_order<const D: usize>(x: &Tensor<D>) -> FlexTensor {
    let x: FlexTensor = x.clone().try_into_primitive::<Flex>().expect("`has` or `holds` was asked");
    if x.is_contiguous() { x } else { x.to_contiguous() }
}

/// Its numbers to keep or change; not copied where nobody else holds them and they lie in order.
pub(super) fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("`has` was asked: f32 numbers")
}

/// Numbers as a tensor; not copied.
pub(super) fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
}
