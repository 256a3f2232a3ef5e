//! Group and layer normalisation.

use super::{processor, silu};
use crate::{LoadError, Weights};
use burn::tensor::{DType, Tensor, module};

/// Group normalisation (Wu and He, 2018) over `[b, c, ..]`: normalises each group of channels of each picture to mean 0
/// and variance 1, then applies each channel's scale and shift.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    epsilon: f64,
}

impl GroupNorm {
    /// Loads `weight` and `bias`, both `[channels]`.
    pub fn load(mut w: Weights, channels: usize, groups: usize, epsilon: f64) -> Result<Self, LoadError> {
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(w.config_error(format!("{channels} channels do not divide into {groups} groups")));
        }
        let (weight, bias) = (w.tensor("weight", [channels])?, w.tensor("bias", [channels])?);
        Ok(Self { weight, bias, groups, epsilon })
    }

    /// # Shapes
    /// `[b, c, h, w] -> [b, c, h, w]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward_with(x, &mut Statistics::Own)
    }

    /// `silu(norm(x))`, in one pass if possible.
    ///
    /// # Shapes
    /// `[b, c, h, w] -> [b, c, h, w]`
    pub fn then_silu(&self, x: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        match statistics {
            Statistics::Own if processor::holds(&x) => self.on_processor(x, true),
            _ => silu(self.forward_with(x, statistics)),
        }
    }

    fn on_processor(&self, x: Tensor<4>, silu: bool) -> Tensor<4> {
        let shape = x.dims();
        let [_, _, h, w] = shape;
        let (mut x, weight, bias) = (processor::numbers(x), processor::read(&self.weight), processor::read(&self.bias));
        kernels::group_norm(&mut x, h * w, self.groups, &weight, &bias, self.epsilon as f32, silu);
        processor::tensor(x, shape)
    }

    /// Like [`GroupNorm::forward`], with `statistics` that may come from another tensor than `x`.
    ///
    /// # Shapes
    /// `[b, c, h, w] -> [b, c, h, w]`
    pub fn forward_with(&self, x: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        if matches!(statistics, Statistics::Own) && processor::holds(&x) {
            return self.on_processor(x, false);
        }
        let [b, c, h, w] = x.dims();
        let dtype = x.dtype();
        let per_group = c / self.groups * h * w;
        // Compute in f32: a sum of squares of f16 activations exceeds 65504, and the picture turns black.
        let x = widened(x.reshape([b, self.groups, per_group]));
        let (centred, inverse_std) = statistics.apply(x, self.epsilon);
        // One scale per channel instead of a division per pixel.
        let scale = inverse_std.expand([b, self.groups, c / self.groups]).reshape([b, c, 1])
            * widened(self.weight.clone()).reshape([1, c, 1]);
        let y = centred.reshape([b, c, h * w]) * scale + widened(self.bias.clone()).reshape([1, c, 1]);
        y.cast(dtype).reshape([b, c, h, w])
    }
}

/// A group's mean and variance, both `[b, groups, 1]`.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Tensor<3>,
    variance: Tensor<3>,
}

impl Moments {
    /// The combined mean and variance of several parts of equal size.
    ///
    /// # Panics
    /// If `parts` is empty.
    pub fn pooled(parts: &[Self]) -> Self {
        let average = |of: fn(&Self) -> Tensor<3>| {
            let stacked = Tensor::cat(parts.iter().map(of).collect(), 2);
            stacked.mean_dim(2)
        };
        let mean = average(|part| part.mean.clone());
        let square = average(|part| part.variance.clone() + part.mean.clone().square());
        Self { variance: square - mean.clone().square(), mean }
    }
}

/// The source of a [`GroupNorm`]'s mean and variance. All tiles of a picture use the same ones. With its own, a tile of
/// plain sky would get the contrast of a tile of leaves.
#[derive(Debug)]
pub enum Statistics<'a> {
    /// Computed from the input.
    Own,
    /// Computed from the input and recorded here, in the order in which the norms run.
    Recorded(&'a mut Vec<Moments>),
    /// Taken from an earlier run, in the same order; computed from the input after the last one.
    Given(std::slice::Iter<'a, Moments>),
}

impl Statistics<'_> {
    /// Returns `x` (`[b, groups, n]`, f32) minus its mean, and the inverse standard deviation.
    fn apply(&mut self, x: Tensor<3>, epsilon: f64) -> (Tensor<3>, Tensor<3>) {
        let inverse_std = |variance: Tensor<3>| (variance + epsilon).sqrt().recip();
        if let Self::Given(moments) = self
            && let Some(Moments { mean, variance }) = moments.next()
        {
            return (x - mean.clone(), inverse_std(variance.clone()));
        }
        let mean = x.clone().mean_dim(2);
        let centred = x - mean.clone();
        let variance = centred.clone().square().mean_dim(2);
        if let Self::Recorded(moments) = self {
            moments.push(Moments { mean, variance: variance.clone() });
        }
        (centred, inverse_std(variance))
    }
}

fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 { x } else { x.cast(DType::F32) }
}

/// Layer normalisation over the last axis.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
}

impl LayerNorm {
    /// Loads `weight` and `bias`, both `[width]`.
    pub fn load(mut w: Weights, width: usize, epsilon: f64) -> Result<Self, LoadError> {
        Ok(Self { weight: w.tensor("weight", [width])?, bias: w.tensor("bias", [width])?, epsilon })
    }

    /// # Shapes
    /// `[.., width] -> [.., width]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if processor::holds(&x) {
            let shape = x.dims();
            let (weight, bias) = (processor::read(&self.weight), processor::read(&self.bias));
            let y = kernels::layer_norm(&processor::read(&x), &weight, &bias, self.epsilon as f32);
            return processor::tensor(y, shape);
        }
        let dtype = x.dtype();
        let (weight, bias) = (widened(self.weight.clone()), widened(self.bias.clone()));
        let y = module::layer_norm(widened(x), weight, Some(bias), self.epsilon);
        if dtype == DType::F32 { y } else { y.cast(dtype) }
    }
}
