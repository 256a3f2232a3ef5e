//! Layers with changed weights, for LoRA files. A layer is never changed itself: the result is another layer.

use super::{
    Conv2d, ConvShape, Linear,
    device::{ConvWeights, Keep, LinearWeights, Parameters, Stored, tensor_bytes, tensor_like},
    low_rank::LowRank,
};
use crate::{DeviceError, host::host_numbers};
use burn::tensor::Tensor;
use std::sync::Arc;

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
    /// Its weights.
    type Weights: Stored;

    /// A layer with these weights and an addition.
    fn new(weights: Self::Weights, low_rank: Option<LowRank<Self::Weights>>) -> Self;

    /// Its weights and its addition.
    fn parts(&self) -> (&Self::Weights, Option<&LowRank<Self::Weights>>);

    /// The shape of the weight: outputs, inputs, and the side of the kernel (1 for a linear layer).
    fn weight_shape(&self) -> [usize; 3] {
        let ConvShape { c_in, c_out, kernel, .. } = self.parts().0.shape();
        [c_out, c_in, kernel]
    }

    /// Its exact weight and bias.
    ///
    /// # Errors
    /// A device failure.
    fn read(&self) -> Result<Parameters, DeviceError> {
        self.parts().0.read()
    }

    /// The layer with other parameters of the same shapes, rounded once. On the CPU a weight in 16 bits is then in f16: bf16
    /// loses half of a weak LoRA.
    fn replaced(&self, parameters: Parameters) -> Self {
        let weights = self.parts().0;
        Self::new(weights.beside(parameters, weights.shape(), Keep::LikeTheLayer), None)
    }

    /// The layer with an addition.
    fn with_low_rank(&self, Factors { down, up, scale }: Factors) -> Self {
        let weights = self.parts().0;
        let (shape, rank) = (weights.shape(), scale.len());
        let factor = |weight, shape| weights.beside(Parameters { weight, bias: None }, shape, Keep::Exactly);
        // The stride and the padding are those of the layer, for the first factor.
        let up_shape = ConvShape { c_in: rank, c_out: shape.c_out, kernel: 1, stride: 1, padding: (0, 0) };
        let (down, up) = (factor(down, ConvShape { c_out: rank, ..shape }), factor(up, up_shape));
        let scale = is_scaled(&scale).then(|| weights.vector_beside(scale));
        Self::new(weights.clone(), Some(LowRank { down, up, scale }))
    }

    /// Memory of the addition in bytes; without one, of the weights.
    fn own_bytes(&self) -> u64 {
        match self.parts() {
            (_, Some(low_rank)) => low_rank.down.bytes() + low_rank.up.bytes(),
            (weights, None) => weights.bytes(),
        }
    }
}

impl Adaptable for Linear {
    type Weights = LinearWeights;

    fn new(weights: LinearWeights, low_rank: Option<LowRank<LinearWeights>>) -> Self {
        Self { weights, low_rank: low_rank.map(Arc::new) }
    }

    fn parts(&self) -> (&LinearWeights, Option<&LowRank<LinearWeights>>) {
        (&self.weights, self.low_rank.as_deref())
    }
}

impl Adaptable for Conv2d {
    type Weights = ConvWeights;

    fn new(weights: ConvWeights, low_rank: Option<LowRank<ConvWeights>>) -> Self {
        Self { weights, low_rank: low_rank.map(Arc::new) }
    }

    fn parts(&self) -> (&ConvWeights, Option<&LowRank<ConvWeights>>) {
        (&self.weights, self.low_rank.as_deref())
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
