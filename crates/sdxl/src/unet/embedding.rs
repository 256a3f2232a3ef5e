//! Sinusoidal embeddings of timesteps and picture sizes.

use crate::{
    LoadError, Weights,
    nn::{Bias, Linear, silu},
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use checkpoint::UnetConfig;

/// diffusers' `get_timestep_embedding`: `cos(v f_i)` and `sin(v f_i)`, `f_i = 10000^(-i / (width/2 - shift))`. In f32
/// as in diffusers: the weights were trained with its rounding of the angle, up to 3e-5.
///
/// # Shapes
/// `n` values -> `[n, width]` in f32
pub(super) fn sinusoids(values: &[f32], width: usize, config: &UnetConfig, device: &Device) -> Tensor<2> {
    let half = width / 2;
    let denominator = half as f32 - config.freq_shift as f32;
    let frequency = |i: usize| (-(10_000_f32.ln()) * i as f32 / denominator).exp();
    let mut numbers = Vec::with_capacity(values.len() * width);
    for &value in values {
        let angles = (0..half).map(|i| f64::from(value * frequency(i)));
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.map(|a| (a.cos() as f32, a.sin() as f32)).unzip();
        let (first, second) = if config.flip_sin_to_cos { (cos, sin) } else { (sin, cos) };
        numbers.extend(first);
        numbers.extend(second);
        // An odd width ends with a zero.
        numbers.extend(std::iter::repeat_n(0.0, width - 2 * half));
    }
    Tensor::from_data(TensorData::new(numbers, [values.len(), width]), (device, DType::F32))
}

/// `linear_2(silu(linear_1(x)))`.
#[derive(Clone, Debug)]
pub(super) struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimestepEmbedding {
    pub(super) fn load(mut w: Weights, d_in: usize, d_out: usize) -> Result<Self, LoadError> {
        Ok(Self {
            linear_1: Linear::load(w.sub("linear_1"), d_in, d_out, Bias::Yes)?,
            linear_2: Linear::load(w.sub("linear_2"), d_out, d_out, Bias::Yes)?,
        })
    }

    /// # Shapes
    /// `[b, d_in] -> [b, d_out]`
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.linear_2.forward(silu(self.linear_1.forward(x)))
    }
}
