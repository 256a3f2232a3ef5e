//! diffusers' `ResnetBlock2D`, the block of both the UNet and the VAE.

use super::{Bias, Conv2d, GroupNorm, Linear, Statistics};
use crate::{LoadError, Weights};
use burn::tensor::Tensor;

/// Sizes of a [`ResnetBlock`].
#[derive(Clone, Copy, Debug)]
pub struct ResnetSpec {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Groups of both norms.
    pub groups: usize,
    /// Epsilon of both norms: 1e-5 in the UNet, 1e-6 in the VAE.
    pub epsilon: f64,
    /// Width of the time embedding; `None` in the VAE.
    pub time_width: Option<usize>,
}

/// `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time)))`.
#[derive(Clone, Debug)]
pub struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    /// Takes `norm1, conv1, time_emb_proj?, norm2, conv2, conv_shortcut?`.
    ///
    /// # Errors
    /// A missing parameter, or channels that are not a multiple of `groups`.
    pub fn load(mut w: Weights, spec: ResnetSpec) -> Result<Self, LoadError> {
        let ResnetSpec { c_in, c_out, groups, epsilon, time_width } = spec;
        Ok(Self {
            norm1: GroupNorm::load(w.sub("norm1"), c_in, groups, epsilon)?,
            conv1: Conv2d::load(w.sub("conv1"), c_in, c_out, 3, Bias::Yes)?,
            time_emb_proj: match time_width {
                Some(width) => Some(Linear::load(w.sub("time_emb_proj"), width, c_out, Bias::Yes)?),
                None => None,
            },
            norm2: GroupNorm::load(w.sub("norm2"), c_out, groups, epsilon)?,
            conv2: Conv2d::load(w.sub("conv2"), c_out, c_out, 3, Bias::Yes)?,
            conv_shortcut: match c_in == c_out {
                true => None,
                false => Some(Conv2d::load(w.sub("conv_shortcut"), c_in, c_out, 1, Bias::Yes)?),
            },
        })
    }

    /// # Shapes
    /// - `x`: `[b, c_in, h, w]`
    /// - `time`: `[b, time_width]`, after its SiLU
    /// - result: `[b, c_out, h, w]`
    pub fn forward(&self, x: Tensor<4>, time: Option<&Tensor<2>>) -> Tensor<4> {
        self.forward_with(x, time, &mut Statistics::Own)
    }

    /// As [`ResnetBlock::forward`], with given `statistics` for both norms.
    pub fn forward_with(&self, x: Tensor<4>, time: Option<&Tensor<2>>, statistics: &mut Statistics) -> Tensor<4> {
        // The shortcut comes first, so that the norm owns its input and works in place: it is the VAE's widest tensor, 1 GiB
        // at 1024 x 1024.
        let residual = self.conv_shortcut.as_ref().map_or_else(|| x.clone(), |shortcut| shortcut.forward(x.clone()));
        let y = self.norm1.then_silu(x, statistics);
        let y = match (&self.time_emb_proj, time) {
            (Some(proj), Some(time)) => self.conv1.forward_shifted(y, proj.forward(time.clone())),
            _ => self.conv1.forward(y),
        };
        self.conv2.forward_onto(self.norm2.then_silu(y, statistics), residual)
    }
}
