//! Layers with changed weights, for LoRA files. A layer is never changed itself: the result is another layer.

use super::{
    Conv2d, ConvShape, Linear,
    device::{Keep, tensor_bytes, tensor_like},
    low_rank::LowRank,
};
use crate::{
    DeviceError,
    host::{HostTensor, host_numbers},
};
use burn::tensor::Tensor;
use std::sync::Arc;

/// The weight and the bias of a layer in host memory, in f32, row-major.
pub(crate) struct Parameters {
    /// `[out, in, kernel, kernel]`, without the kernel for a linear layer.
    pub(crate) weight: Vec<f32>,
    /// `[out]`
    pub(crate) bias: Option<Vec<f32>>,
}

/// A low-rank addition to a layer in host memory: `y += up(scale * down(x))`.
pub(crate) struct Factors {
    /// `[rank, in, kernel, kernel]`
    pub(crate) down: Vec<f32>,
    /// `[out, rank]`
    pub(crate) up: Vec<f32>,
    /// `[rank]`
    pub(crate) scale: Vec<f32>,
}

/// A layer whose weights LoRA files can change.
pub(crate) trait Adaptable: Clone + Send + Sync + 'static {
    /// The shape of the weight: outputs, inputs, and the side of the kernel (1 for a linear layer).
    fn weight_shape(&self) -> [usize; 3];

    /// Its exact weight and bias.
    ///
    /// # Errors
    /// A device failure.
    fn read(&self) -> Result<Parameters, DeviceError>;

    /// The layer with other parameters of the same shapes, rounded once. On the CPU a weight in 16 bits is then in f16: bf16
    /// loses half of a weak LoRA.
    fn replaced(&self, parameters: Parameters) -> Self;

    /// The layer with an addition.
    fn with_low_rank(&self, factors: Factors) -> Self;

    /// Memory of the addition in bytes; without one, of the weights.
    fn own_bytes(&self) -> u64;
}

impl Adaptable for Linear {
    fn weight_shape(&self) -> [usize; 3] {
        let [d_out, d_in] = self.weights.dims();
        [d_out, d_in, 1]
    }

    fn read(&self) -> Result<Parameters, DeviceError> {
        let (weight, bias) = self.weights.read()?;
        Ok(Parameters { weight, bias })
    }

    fn replaced(&self, Parameters { weight, bias }: Parameters) -> Self {
        let weight = HostTensor { shape: self.weights.dims().to_vec(), data: weight };
        Self { weights: self.weights.beside(weight, bias, Keep::LikeTheLayer), low_rank: None }
    }

    fn with_low_rank(&self, Factors { down, up, scale }: Factors) -> Self {
        let ([d_out, d_in], rank) = (self.weights.dims(), scale.len());
        let factor = |data, shape: [usize; 2]| {
            let weight = HostTensor { shape: shape.to_vec(), data };
            self.weights.beside(weight, None, Keep::Exactly)
        };
        let (down, up) = (factor(down, [rank, d_in]), factor(up, [d_out, rank]));
        let scale = is_scaled(&scale).then(|| self.weights.vector_beside(scale));
        Self { weights: self.weights.clone(), low_rank: Some(Arc::new(LowRank { down, up, scale })) }
    }

    fn own_bytes(&self) -> u64 {
        match &self.low_rank {
            Some(low_rank) => low_rank.down.bytes() + low_rank.up.bytes(),
            None => self.weights.bytes(),
        }
    }
}

impl Adaptable for Conv2d {
    fn weight_shape(&self) -> [usize; 3] {
        let ConvShape { c_in, c_out, kernel, .. } = self.weights.shape();
        [c_out, c_in, kernel]
    }

    fn read(&self) -> Result<Parameters, DeviceError> {
        let (weight, bias) = self.weights.read()?;
        Ok(Parameters { weight, bias })
    }

    fn replaced(&self, Parameters { weight, bias }: Parameters) -> Self {
        let shape = self.weights.shape();
        let ConvShape { c_in, c_out, kernel, .. } = shape;
        let weight = HostTensor { shape: vec![c_out, c_in, kernel, kernel], data: weight };
        Self { weights: self.weights.beside(weight, bias, shape, Keep::LikeTheLayer), low_rank: None }
    }

    fn with_low_rank(&self, Factors { down, up, scale }: Factors) -> Self {
        let (shape, rank) = (self.weights.shape(), scale.len());
        let factor = |data, shape: ConvShape| {
            let ConvShape { c_in, c_out, kernel, .. } = shape;
            let weight = HostTensor { shape: vec![c_out, c_in, kernel, kernel], data };
            self.weights.beside(weight, None, shape, Keep::Exactly)
        };
        // The stride and the padding are those of the layer, for the first factor.
        let up_shape = ConvShape { c_in: rank, c_out: shape.c_out, kernel: 1, stride: 1, padding: (0, 0) };
        let (down, up) = (factor(down, ConvShape { c_out: rank, ..shape }), factor(up, up_shape));
        let scale = is_scaled(&scale).then(|| self.weights.vector_beside(scale));
        Self { weights: self.weights.clone(), low_rank: Some(Arc::new(LowRank { down, up, scale })) }
    }

    fn own_bytes(&self) -> u64 {
        match &self.low_rank {
            Some(low_rank) => low_rank.down.bytes() + low_rank.up.bytes(),
            None => self.weights.bytes(),
        }
    }
}

fn is_scaled(scale: &[f32]) -> bool {
    scale.iter().any(|scale| *scale != 1.0)
}

/// A parameter of its own, such as a norm's or an embedding table, with `change` applied to its values. Also returns its
/// memory in bytes.
///
/// # Errors
/// A device failure.
pub(crate) fn changed<const D: usize>(
    tensor: &Tensor<D>,
    change: impl FnOnce(&mut [f32]),
) -> Result<(Tensor<D>, u64), DeviceError> {
    let mut values = host_numbers(tensor.clone(), "reading weights")?;
    change(&mut values);
    let changed = tensor_like(tensor, values);
    let bytes = tensor_bytes(&changed);
    Ok((changed, bytes))
}
