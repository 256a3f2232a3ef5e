//! What a network's output means and how its input is scaled.

use burn::tensor::Tensor;
use generation::Prediction;

/// The scalings around a network: with `x = x0 + sigma * noise`, its input is `c_in * x`, and the estimate is
/// `x0 = c_skip * x + c_out * output`.
///
/// - Networks over timesteps (k-diffusion's `CompVisDenoiser` and `CompVisVDenoiser`): `c_in = 1 / sqrt(sigma^2 + 1)`. For
///   epsilon `c_skip = 1`, `c_out = -sigma`; for v `c_skip = 1 / (sigma^2 + 1)`, `c_out = -sigma / sqrt(sigma^2 + 1)`.
/// - EDM (Karras et al. 2022, table 1; diffusers' `EDMEulerScheduler`) with `s` for sigma_data:
///   `c_in = 1 / sqrt(sigma^2 + s^2)`, `c_skip = s^2 / (sigma^2 + s^2)`, and `c_out = sigma * s / sqrt(sigma^2 + s^2)`, with a
///   minus for v.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Preconditioning {
    /// What the network predicts.
    pub prediction: Prediction,
    /// The standard deviation of EDM's data; `None` for a network over timesteps.
    pub sigma_data: Option<f64>,
}

impl From<Prediction> for Preconditioning {
    /// A network over timesteps.
    fn from(prediction: Prediction) -> Self {
        Self { prediction, sigma_data: None }
    }
}

impl Preconditioning {
    /// The factor `c_in` for the network's input at noise level `sigma`.
    pub fn input_scale(self, sigma: f32) -> f32 {
        (1.0 / f64::from(sigma).hypot(self.sigma_data.unwrap_or(1.0))) as f32
    }

    /// `(c_skip, c_out)` at noise level `sigma`.
    pub fn scalings(self, sigma: f32) -> (f32, f32) {
        let sigma = f64::from(sigma);
        let data = self.sigma_data.unwrap_or(1.0);
        let (c_skip, c_out) = (data * data / (sigma * sigma + data * data), sigma * data / sigma.hypot(data));
        let (c_skip, c_out) = match (self.prediction, self.sigma_data) {
            (Prediction::Epsilon, None) => (1.0, -sigma),
            (Prediction::Epsilon, Some(_)) => (c_skip, c_out),
            (Prediction::V, _) => (c_skip, -c_out),
        };
        (c_skip as f32, c_out as f32)
    }

    /// Returns the estimate x0 for the noisy latents `x` and the network's output, all
    /// `[batch, channels, height, width]`. The result has the dtype of `x`, so a network in f16 does not reduce the
    /// precision of the latents.
    pub fn denoised(self, x: Tensor<4>, output: Tensor<4>, sigma: f32) -> Tensor<4> {
        let (c_skip, c_out) = self.scalings(sigma);
        let change = output.cast(x.dtype()).mul_scalar(c_out);
        if c_skip == 1.0 { x + change } else { x.mul_scalar(c_skip) + change }
    }
}
