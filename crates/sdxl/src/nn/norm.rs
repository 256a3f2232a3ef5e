//! Group and layer normalisation.

use super::{
    device::{self, Norm},
    statistics::Statistics,
};
use crate::{LoadError, Weights};
use burn::tensor::Tensor;

/// Group normalisation (Wu and He, 2018) over `[b, c, ..]`: each group of channels of each picture is normalised to mean 0
/// and variance 1, then scaled and shifted per channel.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    epsilon: f64,
}

impl GroupNorm {
    /// Takes `weight` and `bias`, both `[channels]`.
    ///
    /// # Errors
    /// A missing parameter, or channels that are not a multiple of `groups`.
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
        self.apply(x, false, &mut Statistics::Own)
    }

    /// `silu(norm(x))` with the given `statistics`.
    ///
    /// # Shapes
    /// `[b, c, h, w] -> [b, c, h, w]`
    pub fn then_silu(&self, x: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        self.apply(x, true, statistics)
    }

    /// As [`GroupNorm::forward`], with the given `statistics`.
    ///
    /// # Shapes
    /// `[b, c, h, w] -> [b, c, h, w]`
    pub fn forward_with(&self, x: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        self.apply(x, false, statistics)
    }

    fn apply(&self, x: Tensor<4>, with_silu: bool, statistics: &mut Statistics) -> Tensor<4> {
        let norm = Norm { weight: &self.weight, bias: &self.bias, epsilon: self.epsilon };
        device::group_norm(x, norm, self.groups, with_silu, statistics)
    }
}

/// Layer normalisation over the last axis.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
}

impl LayerNorm {
    /// Takes `weight` and `bias`, both `[width]`.
    ///
    /// # Errors
    /// A missing parameter.
    pub fn load(mut w: Weights, width: usize, epsilon: f64) -> Result<Self, LoadError> {
        Ok(Self { weight: w.tensor("weight", [width])?, bias: w.tensor("bias", [width])?, epsilon })
    }

    /// # Shapes
    /// `[.., width] -> [.., width]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        device::layer_norm(x, Norm { weight: &self.weight, bias: &self.bias, epsilon: self.epsilon })
    }
}
