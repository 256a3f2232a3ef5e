//! Tensors in the processor's own memory, as the plain numbers that the crate `kernels` computes with. On any
//! other device the layers go through burn, whose kernels there are the device's own.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// Whether a tensor of this type on this device is plain f32 numbers.
pub(super) fn has(device: &Device, dtype: DType) -> bool {
    dtype == DType::F32 && *device == Device::flex()
}

/// Whether this tensor is.
pub(super) fn holds<const D: usize>(x: &Tensor<D>) -> bool {
    has(&x.device(), x.dtype())
}

/// Its numbers, row-major; not copied where nobody else holds them and they lie in order.
pub(super) fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("`has` was asked: f32 numbers")
}

/// Numbers as a tensor; not copied.
pub(super) fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
}
