//! Linear, convolution, nearest-neighbour resize.

use super::processor;
use crate::{LoadError, Weights};
use burn::tensor::{
    Tensor, module,
    ops::{ConvOptions, InterpolateMode, InterpolateOptions},
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

/// `y = x Wᵀ + b`.
#[derive(Clone, Debug)]
pub struct Linear(LinearOn);

#[derive(Clone, Debug)]
enum LinearOn {
    Processor(Arc<kernels::Linear>),
    /// The weight `[in, out]`, a transposed view of the checkpoint's `[out, in]` (matrix products accept strides), and
    /// the bias.
    Other(Box<(Tensor<2>, Option<Tensor<1>>)>),
}

impl Linear {
    /// Loads `weight` `[d_out, d_in]` and, with [`Bias::Yes`], `bias` `[d_out]`.
    pub fn load(mut w: Weights, d_in: usize, d_out: usize, bias: Bias) -> Result<Self, LoadError> {
        let weight = w.tensor_to_widen("weight", [d_out, d_in])?;
        let bias = load_bias(&mut w, d_out, bias)?;
        let Some(weights) = processor::LayerWeights::of(&weight) else {
            return Ok(Self(LinearOn::Other(Box::new((weight.transpose(), bias)))));
        };
        let bias = bias.map(processor::numbers);
        let packed = kernels::Linear::new(weights.numbers(), bias.as_deref(), d_in, d_out);
        Ok(Self(LinearOn::Processor(Arc::new(packed))))
    }

    /// # Shapes
    /// `[.., d_in] -> [.., d_out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.0 {
            LinearOn::Processor(linear) => {
                let mut shape = x.dims();
                shape[D - 1] = linear.d_out();
                processor::tensor(linear.forward(&processor::read(&x)), shape)
            }
            LinearOn::Other(parameters) => {
                let (weight, bias) = parameters.as_ref().clone();
                module::linear(x, weight, bias)
            }
        }
    }

    /// `y + forward(x)`
    ///
    /// # Shapes
    /// `x`: `[.., d_in]`, `y`: `[.., d_out]`; the result has the shape of `y`
    pub fn forward_onto<const D: usize>(&self, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
        match &self.0 {
            LinearOn::Processor(linear) => {
                let (shape, mut y) = (y.dims(), processor::numbers(y));
                linear.add_to(&processor::read(&x), &mut y);
                processor::tensor(y, shape)
            }
            LinearOn::Other(_) => y + self.forward(x),
        }
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
pub struct Conv2d(ConvOn);

#[derive(Clone, Debug)]
enum ConvOn {
    Processor(Arc<kernels::Conv2d>),
    /// The weight, and the bias.
    Other(Box<(Tensor<4>, Option<Tensor<1>>)>, ConvShape),
}

impl Conv2d {
    /// Loads `weight` `[c_out, c_in, kernel, kernel]` and, with [`Bias::Yes`], `bias` `[c_out]`. Stride 1, padded so
    /// that height and width stay the same.
    pub fn load(w: Weights, c_in: usize, c_out: usize, kernel: usize, bias: Bias) -> Result<Self, LoadError> {
        let shape = ConvShape { c_in, c_out, kernel, stride: 1, padding: (kernel / 2, kernel / 2) };
        Self::load_as(w, shape, bias)
    }

    /// Like [`Conv2d::load`], with any stride and padding.
    pub fn load_as(mut w: Weights, shape: ConvShape, bias: Bias) -> Result<Self, LoadError> {
        let ConvShape { c_in, c_out, kernel, .. } = shape;
        let weight = w.tensor_to_widen("weight", [c_out, c_in, kernel, kernel])?;
        let bias = load_bias(&mut w, c_out, bias)?;
        let Some(weights) = processor::LayerWeights::of(&weight) else {
            return Ok(Self(ConvOn::Other(Box::new((weight, bias)), shape)));
        };
        let bias = bias.map(processor::numbers);
        Ok(Self(ConvOn::Processor(Arc::new(kernels::Conv2d::new(weights.numbers(), bias.as_deref(), shape)))))
    }

    /// # Shapes
    /// `[b, c_in, h, w] -> [b, c_out, h', w']`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.0 {
            ConvOn::Processor(conv) => {
                let [b, _, h, w] = x.dims();
                let [height, width] = conv.sides([h, w]);
                let y = conv.forward(&processor::read(&x), [h, w]);
                processor::tensor(y, [b, conv.shape().c_out, height, width])
            }
            ConvOn::Other(parameters, ConvShape { stride: s, padding: p, .. }) => {
                let options = ConvOptions::new_with_padding([*s, *s], [*p, *p], [1, 1], 1);
                let (weight, bias) = parameters.as_ref().clone();
                module::conv2d(x, weight, bias, options)
            }
        }
    }

    /// `forward(x)`, plus a value of `shift` for each channel of each picture.
    ///
    /// # Shapes
    /// `x`: `[b, c_in, h, w]`, `shift`: `[b, c_out]`; result `[b, c_out, h', w']`
    pub fn forward_shifted(&self, x: Tensor<4>, shift: Tensor<2>) -> Tensor<4> {
        let ([b, _, h, w], [_, c_out]) = (x.dims(), shift.dims());
        match &self.0 {
            ConvOn::Processor(conv) => {
                let [height, width] = conv.sides([h, w]);
                let y = conv.forward_shifted(&processor::read(&x), [h, w], &processor::read(&shift));
                processor::tensor(y, [b, c_out, height, width])
            }
            ConvOn::Other(..) => self.forward(x) + shift.reshape([b, c_out, 1, 1]),
        }
    }

    /// `y + forward(x)`
    ///
    /// # Shapes
    /// `x`: `[b, c_in, h, w]`, `y`: `[b, c_out, h', w']`; the result has the shape of `y`
    pub fn forward_onto(&self, x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
        match &self.0 {
            ConvOn::Processor(conv) => {
                let ([_, _, h, w], shape, mut y) = (x.dims(), y.dims(), processor::numbers(y));
                conv.add_to(&processor::read(&x), [h, w], &mut y);
                processor::tensor(y, shape)
            }
            ConvOn::Other(..) => y + self.forward(x),
        }
    }
}

/// Nearest-neighbour resize with PyTorch's rule: output pixel `i` copies input pixel `floor(i * in / out)`.
///
/// # Shapes
/// `[b, c, h, w] -> [b, c, height, width]`
pub fn resize_nearest(x: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([height, width]);
    module::interpolate(x, options)
}
