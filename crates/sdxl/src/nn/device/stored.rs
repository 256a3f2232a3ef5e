//! Weights of layers from and to host memory: what a LoRA file changes is computed there.

use super::{ConvWeights, LinearWeights, uses_cpu_kernels};
use crate::{
    DeviceError,
    host::{HostTensor, host_numbers},
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use kernels::{ConvShape, Packed};

const DOING: &str = "reading weights";

/// How new weights are stored on the CPU. Elsewhere they have the type in which the layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// In the narrowest of f16, bf16 and f32 that represents each number exactly.
    Exactly,
    /// Rounded to f16 if the layer's own weight has 16 bits, otherwise in f32.
    LikeTheLayer,
}

/// The weight and the bias of a layer in host memory, in f32, row-major.
pub(crate) struct Parameters {
    /// `[out, in, kernel, kernel]`, without the kernel for a linear layer.
    pub(crate) weight: Vec<f32>,
    /// `[out]`
    pub(crate) bias: Option<Vec<f32>>,
}

/// Where weights are.
pub(crate) enum Place<'a> {
    /// In the CPU's memory, packed.
    Packed(&'a Packed),
    /// On another device, as `values` numbers of this type.
    Device { device: Device, dtype: DType, values: usize },
}

/// Weights of a layer that can be read and replaced.
pub(crate) trait Stored: Clone + Send + Sync + 'static {
    /// Inputs, outputs and kernel. A linear layer is a convolution of single pixels.
    fn shape(&self) -> ConvShape;

    /// Where the weights are.
    fn place(&self) -> Place<'_>;

    /// Exactly the weight and the bias.
    ///
    /// # Errors
    /// A device failure.
    fn read(&self) -> Result<Parameters, DeviceError>;

    /// Other weights for the same device and number type.
    fn beside(&self, parameters: Parameters, shape: ConvShape, keep: Keep) -> Self;

    /// A value per channel for the same device and number type.
    fn vector_beside(&self, values: Vec<f32>) -> Tensor<1> {
        self.place().vector(values)
    }

    /// Memory in bytes.
    fn bytes(&self) -> u64 {
        match self.place() {
            Place::Packed(packed) => packed.bytes() as u64,
            Place::Device { dtype, values, .. } => (values * dtype.size()) as u64,
        }
    }
}

impl Place<'_> {
    fn of_tensors<const D: usize>((weight, bias): &(Tensor<D>, Option<Tensor<1>>)) -> Self {
        let numbers = |of: burn::tensor::Shape| of.num_elements();
        let values = numbers(weight.shape()) + bias.as_ref().map_or(0, |bias| numbers(bias.shape()));
        Self::Device { device: weight.device(), dtype: weight.dtype(), values }
    }

    fn vector(&self, values: Vec<f32>) -> Tensor<1> {
        let values = HostTensor { shape: vec![values.len()], data: values };
        match self {
            Self::Packed(_) => of_type(values, &Device::flex(), DType::F32),
            Self::Device { device, dtype, .. } => of_type(values, device, *dtype),
        }
    }

    /// The parameters as tensors here. `shape` is the weight's.
    fn tensors<const D: usize>(
        &self,
        Parameters { weight, bias }: Parameters,
        shape: [usize; D],
        keep: Keep,
    ) -> (Tensor<D>, Option<Tensor<1>>) {
        let weight = HostTensor { shape: shape.to_vec(), data: weight };
        let weight = match self {
            Self::Packed(packed) => narrowed(weight, keep, packed.is_narrow()),
            Self::Device { device, dtype, .. } => of_type(weight, device, *dtype),
        };
        (weight, bias.map(|bias| self.vector(bias)))
    }
}

fn packed_parameters(packed: &Packed) -> Parameters {
    Parameters { weight: packed.weight(), bias: packed.bias().map(<[f32]>::to_vec) }
}

fn read_tensors<const D: usize>(weight: Tensor<D>, bias: Option<Tensor<1>>) -> Result<Parameters, DeviceError> {
    let bias = bias.map(|bias| host_numbers(bias, DOING)).transpose()?;
    Ok(Parameters { weight: host_numbers(weight, DOING)?, bias })
}

impl Stored for LinearWeights {
    fn shape(&self) -> ConvShape {
        let (c_in, c_out) = match self {
            Self::Cpu(linear) => (linear.d_in(), linear.d_out()),
            Self::Generic(parameters) => parameters.0.dims().into(),
        };
        ConvShape { c_in, c_out, kernel: 1, stride: 1, padding: (0, 0) }
    }

    fn place(&self) -> Place<'_> {
        match self {
            Self::Cpu(linear) => Place::Packed(linear.packed()),
            Self::Generic(parameters) => Place::of_tensors(parameters),
        }
    }

    fn read(&self) -> Result<Parameters, DeviceError> {
        match self {
            Self::Cpu(linear) => Ok(packed_parameters(linear.packed())),
            Self::Generic(parameters) => {
                let (weight, bias) = parameters.as_ref().clone();
                read_tensors(weight.transpose(), bias)
            }
        }
    }

    fn beside(&self, parameters: Parameters, ConvShape { c_in, c_out, .. }: ConvShape, keep: Keep) -> Self {
        let (weight, bias) = self.place().tensors(parameters, [c_out, c_in], keep);
        Self::new(weight, bias)
    }
}

impl Stored for ConvWeights {
    fn shape(&self) -> ConvShape {
        match self {
            Self::Cpu(conv) => conv.shape(),
            Self::Generic(_, shape) => *shape,
        }
    }

    fn place(&self) -> Place<'_> {
        match self {
            Self::Cpu(conv) => Place::Packed(conv.packed()),
            Self::Generic(parameters, _) => Place::of_tensors(parameters),
        }
    }

    fn read(&self) -> Result<Parameters, DeviceError> {
        match self {
            Self::Cpu(conv) => Ok(packed_parameters(conv.packed())),
            Self::Generic(parameters, _) => {
                let (weight, bias) = parameters.as_ref().clone();
                read_tensors(weight, bias)
            }
        }
    }

    fn beside(&self, parameters: Parameters, shape: ConvShape, keep: Keep) -> Self {
        let ConvShape { c_in, c_out, kernel, .. } = shape;
        let (weight, bias) = self.place().tensors(parameters, [c_out, c_in, kernel, kernel], keep);
        Self::new(weight, bias, shape)
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
