//! Linear, convolution, nearest-neighbour resize.

use crate::{LoadError, Weights};
use burn::tensor::{
    Tensor, module,
    ops::{ConvOptions, InterpolateMode, InterpolateOptions},
};

/// Whether a layer has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// `weight` and `bias`.
    Yes,
    /// `weight` only.
    No,
}

/// `y = x Wᵀ + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[in, out]`: a transposed view of the checkpoint's `[out, in]`; matrix products take strides.
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
}

impl Linear {
    /// Takes `weight` `[d_out, d_in]` and, with [`Bias::Yes`], `bias` `[d_out]`.
    pub fn load(mut w: Weights, d_in: usize, d_out: usize, bias: Bias) -> Result<Self, LoadError> {
        let weight = w.tensor("weight", [d_out, d_in])?.transpose();
        Ok(Self { weight, bias: load_bias(&mut w, d_out, bias)? })
    }

    /// # Shapes
    /// `[.., d_in] -> [.., d_out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        module::linear(x, self.weight.clone(), self.bias.clone())
    }
}

fn load_bias(w: &mut Weights, d_out: usize, bias: Bias) -> Result<Option<Tensor<1>>, LoadError> {
    match bias {
        Bias::Yes => w.tensor("bias", [d_out]).map(Some),
        Bias::No => Ok(None),
    }
}

/// Two-dimensional convolution with a square kernel.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    /// Zeros before and after, along both sides.
    padding: (usize, usize),
}

impl Conv2d {
    /// Takes `weight` `[c_out, c_in, kernel, kernel]` and, with [`Bias::Yes`], `bias` `[c_out]`; stride 1,
    /// padded so that the size stays.
    pub fn load(mut w: Weights, c_in: usize, c_out: usize, kernel: usize, bias: Bias) -> Result<Self, LoadError> {
        let weight = w.tensor("weight", [c_out, c_in, kernel, kernel])?;
        Ok(Self { weight, bias: load_bias(&mut w, c_out, bias)?, stride: 1, padding: (kernel / 2, kernel / 2) })
    }

    /// The same convolution with another stride, and so many zeros before and after both sides.
    pub fn with_stride(self, stride: usize, padding: (usize, usize)) -> Self {
        Self { stride, padding, ..self }
    }

    /// # Shapes
    /// `[b, c_in, h, w] -> [b, c_out, h', w']`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (s, p) = (self.stride, self.padding);
        let options = ConvOptions::new_with_padding([s, s], [p, p], [1, 1], 1);
        module::conv2d(x, self.weight.clone(), self.bias.clone(), options)
    }
}

/// Nearest-neighbour resize, PyTorch's rule: output pixel `i` copies input pixel `floor(i * in / out)`.
///
/// # Shapes
/// `[b, c, h, w] -> [b, c, height, width]`
pub fn resize_nearest(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([height, width]);
    module::interpolate(x, options)
}
