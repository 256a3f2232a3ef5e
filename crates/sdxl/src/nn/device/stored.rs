//! Weights of layers from and to host memory: what a LoRA file changes is computed there.

use super::{ConvWeights, LinearWeights, cpu, uses_cpu_kernels};
use crate::{
    DeviceError,
    host::{HostTensor, host_numbers},
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use kernels::ConvShape;

const DOING: &str = "reading weights";

/// How new weights are stored on the CPU. Elsewhere they have the type in which the layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nn) enum Keep {
    /// In the narrowest of f16, bf16 and f32 that represents each number exactly.
    Exactly,
    /// Rounded to f16 if the layer's own weight has 16 bits, otherwise in f32.
    LikeTheLayer,
}

/// A layer's weight and bias in host memory, row-major.
pub(in crate::nn) type Parameters = (Vec<f32>, Option<Vec<f32>>);

impl LinearWeights {
    /// `[d_out, d_in]`
    pub(in crate::nn) fn dims(&self) -> [usize; 2] {
        match self {
            Self::Cpu(packed) => [packed.d_out(), packed.d_in()],
            Self::Generic(parameters) => {
                let [d_in, d_out] = parameters.0.dims();
                [d_out, d_in]
            }
        }
    }

    /// Memory in bytes.
    pub(in crate::nn) fn bytes(&self) -> u64 {
        match self {
            Self::Cpu(packed) => packed.bytes() as u64,
            Self::Generic(parameters) => tensor_bytes(&parameters.0) + parameters.1.as_ref().map_or(0, tensor_bytes),
        }
    }

    /// Exactly the weight `[d_out, d_in]` and the bias `[d_out]`.
    pub(in crate::nn) fn read(&self) -> Result<Parameters, DeviceError> {
        match self {
            Self::Cpu(packed) => Ok((packed.weight(), packed.bias().map(<[f32]>::to_vec))),
            Self::Generic(parameters) => {
                let (weight, bias) = parameters.as_ref().clone();
                let bias = bias.map(|bias| host_numbers(bias, DOING)).transpose()?;
                Ok((host_numbers(weight.transpose(), DOING)?, bias))
            }
        }
    }

    /// Other weights for the same device and number type.
    pub(in crate::nn) fn beside(&self, weight: HostTensor, bias: Option<Vec<f32>>, keep: Keep) -> Self {
        match self {
            Self::Cpu(packed) => {
                let weight = narrowed::<2>(weight, keep, packed.is_narrow());
                Self::Cpu(cpu::pack_linear(&weight, bias.map(|bias| vector(bias, &Device::flex(), DType::F32))).into())
            }
            Self::Generic(parameters) => {
                let (device, dtype) = (parameters.0.device(), parameters.0.dtype());
                Self::new(of_type(weight, &device, dtype), bias.map(|bias| vector(bias, &device, dtype)))
            }
        }
    }

    /// A value per channel for the same device and number type.
    pub(in crate::nn) fn vector_beside(&self, values: Vec<f32>) -> Tensor<1> {
        match self {
            Self::Cpu(_) => vector(values, &Device::flex(), DType::F32),
            Self::Generic(parameters) => vector(values, &parameters.0.device(), parameters.0.dtype()),
        }
    }
}

impl ConvWeights {
    pub(in crate::nn) fn shape(&self) -> ConvShape {
        match self {
            Self::Cpu(packed) => packed.shape(),
            Self::Generic(_, shape) => *shape,
        }
    }

    /// Memory in bytes.
    pub(in crate::nn) fn bytes(&self) -> u64 {
        match self {
            Self::Cpu(packed) => packed.bytes() as u64,
            Self::Generic(parameters, _) => tensor_bytes(&parameters.0) + parameters.1.as_ref().map_or(0, tensor_bytes),
        }
    }

    /// Exactly the weight `[c_out, c_in, kernel, kernel]` and the bias `[c_out]`.
    pub(in crate::nn) fn read(&self) -> Result<Parameters, DeviceError> {
        match self {
            Self::Cpu(packed) => Ok((packed.weight(), packed.bias().map(<[f32]>::to_vec))),
            Self::Generic(parameters, _) => {
                let (weight, bias) = parameters.as_ref().clone();
                let bias = bias.map(|bias| host_numbers(bias, DOING)).transpose()?;
                Ok((host_numbers(weight, DOING)?, bias))
            }
        }
    }

    /// Another convolution for the same device and number type.
    pub(in crate::nn) fn beside(
        &self,
        weight: HostTensor,
        bias: Option<Vec<f32>>,
        shape: ConvShape,
        keep: Keep,
    ) -> Self {
        match self {
            Self::Cpu(packed) => {
                let weight = narrowed::<4>(weight, keep, packed.is_narrow());
                let bias = bias.map(|bias| vector(bias, &Device::flex(), DType::F32));
                Self::Cpu(cpu::pack_conv2d(&weight, bias, shape).into())
            }
            Self::Generic(parameters, _) => {
                let (device, dtype) = (parameters.0.device(), parameters.0.dtype());
                Self::new(of_type(weight, &device, dtype), bias.map(|bias| vector(bias, &device, dtype)), shape)
            }
        }
    }

    /// A value per channel for the same device and number type.
    pub(in crate::nn) fn vector_beside(&self, values: Vec<f32>) -> Tensor<1> {
        match self {
            Self::Cpu(_) => vector(values, &Device::flex(), DType::F32),
            Self::Generic(parameters, _) => vector(values, &parameters.0.device(), parameters.0.dtype()),
        }
    }
}

/// A parameter that is not part of a layer with weights, changed: `values` on the device of `like`. On the CPU a table in
/// 16 bits stays one.
pub(crate) fn tensor_like<const D: usize>(like: &Tensor<D>, values: Vec<f32>) -> Tensor<D> {
    let values = HostTensor { shape: like.dims().to_vec(), data: values };
    let (device, dtype) = (like.device(), like.dtype());
    match uses_cpu_kernels(&device, DType::F32) {
        true => narrowed(values, Keep::LikeTheLayer, dtype != DType::F32),
        false => of_type(values, &device, dtype),
    }
}

/// Memory of a tensor in bytes.
pub(crate) fn tensor_bytes<const D: usize>(x: &Tensor<D>) -> u64 {
    (x.shape().num_elements() * x.dtype().size()) as u64
}

fn vector(values: Vec<f32>, device: &Device, dtype: DType) -> Tensor<1> {
    let shape = vec![values.len()];
    of_type(HostTensor { shape, data: values }, device, dtype)
}

fn of_type<const D: usize>(values: HostTensor, device: &Device, dtype: DType) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.data, values.shape), (device, dtype))
}

/// A tensor for the kernels of the CPU, which read f16, bf16 and f32.
fn narrowed<const D: usize>(values: HostTensor, keep: Keep, layer_is_narrow: bool) -> Tensor<D> {
    let HostTensor { shape, data } = values;
    // A bf16 checkpoint can have numbers that are too large for f16.
    let fits = || data.iter().all(|value| value.abs() <= f16::MAX.to_f32());
    let (data, dtype) = match keep {
        Keep::Exactly => match exactly(&data, f16::ZERO) {
            Some(narrow) => (TensorData::new(narrow, shape), DType::F16),
            None => match exactly(&data, bf16::ZERO) {
                Some(narrow) => (TensorData::new(narrow, shape), DType::BF16),
                None => (TensorData::new(data, shape), DType::F32),
            },
        },
        Keep::LikeTheLayer if layer_is_narrow && fits() => {
            let mut narrow = vec![f16::ZERO; data.len()];
            narrow.convert_from_f32_slice(&data);
            (TensorData::new(narrow, shape), DType::F16)
        }
        Keep::LikeTheLayer => (TensorData::new(data, shape), DType::F32),
    };
    Tensor::from_data(data, (&Device::flex(), dtype))
}

/// The values in 16 bits, if each of them can be represented. Stops at the first block with one that cannot.
fn exactly<T: Copy>(values: &[f32], zero: T) -> Option<Vec<T>>
where
    [T]: HalfFloatSliceExt,
{
    const BLOCK: usize = 4096;
    let mut narrow = vec![zero; values.len()];
    let mut back = [0.0; BLOCK];
    for (values, narrow) in values.chunks(BLOCK).zip(narrow.chunks_mut(BLOCK)) {
        narrow.convert_from_f32_slice(values);
        let back = &mut back[..values.len()];
        narrow.convert_to_f32_slice(back);
        if back != values {
            return None;
        }
    }
    Some(narrow)
}
