//! What a network's output means and how its input is scaled.

use burn::tensor::Tensor;

/// What the network was trained to predict.
///
/// With `x = x0 + sigma * noise` and the network's input `x * c_in`, `c_in = 1 / sqrt(sigma^2 + 1)`, the estimate is
/// `x0 = c_skip * x + c_out * output` (the scalings of k-diffusion's `CompVisDenoiser` and `CompVisVDenoiser`; Karras
/// et al. 2022, table 1, with sigma_data 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prediction {
    /// The noise: `c_skip = 1`, `c_out = -sigma`.
    #[default]
    Epsilon,
    /// The velocity (Salimans and Ho, 2022): `c_skip = 1 / (sigma^2 + 1)`,
    /// `c_out = -sigma / sqrt(sigma^2 + 1)`.
    V,
}

/// The factor for the network's input, `1 / sqrt(sigma^2 + 1)`, which scales `x` to unit variance.
pub fn input_scale(sigma: f32) -> f32 {
    let sigma = f64::from(sigma);
    (1.0 / sigma.hypot(1.0)) as f32
}

impl Prediction {
    /// `(c_skip, c_out)` at noise level `sigma`.
    pub fn scalings(self, sigma: f32) -> (f32, f32) {
        let sigma = f64::from(sigma);
        let (c_skip, c_out) = match self {
            Self::Epsilon => (1.0, -sigma),
            Self::V => (1.0 / (sigma * sigma + 1.0), -sigma / sigma.hypot(1.0)),
        };
        (c_skip as f32, c_out as f32)
    }

    /// Returns the estimate x0 for the noisy latents `x` and the network's output, all
    /// `[batch, channels, height, width]`. The result has the dtype of `x`, so a network in f16 does not reduce the
    /// precision of the latents.
    pub fn denoised(self, x: Tensor<4>, output: Tensor<4>, sigma: f32) -> Tensor<4> {
        let (c_skip, c_out) = self.scalings(sigma);
        let change = output.cast(x.dtype()).mul_scalar(c_out);
        match self {
            Self::Epsilon => x + change,
            Self::V => x.mul_scalar(c_skip) + change,
        }
    }
}
