//! Linear, convolution, nearest-neighbour resize.

use super::{
    device::{ConvWeights, LinearWeights},
    low_rank::LowRank,
};
use crate::{LoadError, Weights};
use burn::tensor::{
    Tensor, module,
    ops::{InterpolateMode, InterpolateOptions},
};
pub use kernels::ConvShape;
use std::sync::Arc;

/// Whether a layer has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// `weight` and `bias`.
    Yes,
    /// `weight` only.
    No,
}

/// `y = x Wᵀ + b`, plus the low-rank matrices of LoRA files.
#[derive(Clone, Debug)]
pub struct Linear {
    pub(super) weights: LinearWeights,
    pub(super) low_rank: Option<Arc<LowRank<LinearWeights>>>,
}

impl Linear {
    /// Takes `weight` `[d_out, d_in]` and, with [`Bias::Yes`], `bias` `[d_out]`.
    ///
    /// # Errors
    /// A missing parameter.
    pub fn load(mut w: Weights, d_in: usize, d_out: usize, bias: Bias) -> Result<Self, LoadError> {
        w.layer(|w| {
            let weight = w.tensor_to_widen("weight", [d_out, d_in])?;
            let bias = load_bias(w, d_out, bias)?;
            Ok(Self { weights: LinearWeights::new(weight, bias), low_rank: None })
        })
    }

    /// # Shapes
    /// `[.., d_in] -> [.., d_out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.low_rank {
            None => self.weights.apply(x),
            Some(low_rank) => low_rank.apply_onto(x.clone(), self.weights.apply(x)),
        }
    }

    /// `y + forward(x)`
    ///
    /// # Shapes
    /// `x`: `[.., d_in]`, `y`: `[.., d_out]`; result as `y`
    pub fn forward_onto<const D: usize>(&self, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
        match &self.low_rank {
            None => self.weights.apply_onto(x, y),
            Some(low_rank) => low_rank.apply_onto(x.clone(), self.weights.apply_onto(x, y)),
        }
    }
}

fn load_bias(w: &mut Weights, d_out: usize, bias: Bias) -> Result<Option<Tensor<1>>, LoadError> {
    match bias {
        Bias::Yes => w.tensor("bias", [d_out]).map(Some),
        Bias::No => Ok(None),
    }
}

/// Two-dimensional convolution with a square kernel, plus the low-rank kernels of LoRA files.
#[derive(Clone, Debug)]
pub struct Conv2d {
    pub(super) weights: ConvWeights,
    pub(super) low_rank: Option<Arc<LowRank<ConvWeights>>>,
}

impl Conv2d {
    /// Takes `weight` `[c_out, c_in, kernel, kernel]` and, with [`Bias::Yes`], `bias` `[c_out]`. Stride 1, padded so that
    /// height and width stay the same.
    ///
    /// # Errors
    /// A missing parameter.
    pub fn load(w: Weights, c_in: usize, c_out: usize, kernel: usize, bias: Bias) -> Result<Self, LoadError> {
        let shape = ConvShape { c_in, c_out, kernel, stride: 1, padding: (kernel / 2, kernel / 2) };
        Self::load_as(w, shape, bias)
    }

    /// As [`Conv2d::load`], with any stride and padding.
    ///
    /// # Errors
    /// A missing parameter.
    pub fn load_as(mut w: Weights, shape: ConvShape, bias: Bias) -> Result<Self, LoadError> {
        let ConvShape { c_in, c_out, kernel, .. } = shape;
        w.layer(|w| {
            let weight = w.tensor_to_widen("weight", [c_out, c_in, kernel, kernel])?;
            let bias = load_bias(w, c_out, bias)?;
            Ok(Self { weights: ConvWeights::new(weight, bias, shape), low_rank: None })
        })
    }

    /// # Shapes
    /// `[b, c_in, h, w] -> [b, c_out, h', w']`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.low_rank {
            None => self.weights.apply(x),
            Some(low_rank) => low_rank.apply_onto(x.clone(), self.weights.apply(x)),
        }
    }

    /// `forward(x)`, with `shift` added to all pixels of each channel.
    ///
    /// # Shapes
    /// `x`: `[b, c_in, h, w]`, `shift`: `[b, c_out]`; result `[b, c_out, h', w']`
    pub fn forward_shifted(&self, x: Tensor<4>, shift: Tensor<2>) -> Tensor<4> {
        match &self.low_rank {
            None => self.weights.apply_shifted(x, shift),
            Some(low_rank) => low_rank.apply_onto(x.clone(), self.weights.apply_shifted(x, shift)),
        }
    }

    /// `y + forward(x)`
    ///
    /// # Shapes
    /// `x`: `[b, c_in, h, w]`, `y`: `[b, c_out, h', w']`; result as `y`
    pub fn forward_onto(&self, x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
        match &self.low_rank {
            None => self.weights.apply_onto(x, y),
            Some(low_rank) => low_rank.apply_onto(x.clone(), self.weights.apply_onto(x, y)),
        }
    }
}

/// Nearest-neighbour resize by PyTorch's rule: output pixel `i` copies input pixel `floor(i * in / out)`.
///
/// # Shapes
/// `[b, c, h, w] -> [b, c, height, width]`
pub fn resize_nearest(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([height, width]);
    module::interpolate(x, options)
}
