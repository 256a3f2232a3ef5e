//! The model as a sampler sees it.

use crate::ModelSigmas;
use burn::tensor::Tensor;
use std::sync::LazyLock;

static SDXL: LazyLock<ModelSigmas> = LazyLock::new(ModelSigmas::default);

/// Estimates the finished latents x0 from noisy latents, at any noise level.
///
/// Implemented by [`Guided`](crate::Guided), which wraps a network, and by closures
/// `FnMut(Tensor<4>, f32) -> Result<Tensor<4>, E>`.
pub trait Denoise {
    /// Why the model returned no estimate.
    type Error;

    /// Returns the estimate of x0 for the noisy latents `x` at noise level `sigma`. Input and output are
    /// `[batch, channels, height, width]`, of one dtype. `x = x0 + sigma * noise`; it is not yet scaled for a network's
    /// input.
    ///
    /// # Errors
    /// Any error of the model. The sampler returns it and ends.
    fn denoise(&mut self, x: Tensor<4>, sigma: f32) -> Result<Tensor<4>, Self::Error>;

    /// The training schedule. By default SDXL's. Samplers whose steps are defined by timesteps need it.
    fn table(&self) -> &ModelSigmas {
        &SDXL
    }
}

impl<E, F: FnMut(Tensor<4>, f32) -> Result<Tensor<4>, E>> Denoise for F {
    type Error = E;

    fn denoise(&mut self, x: Tensor<4>, sigma: f32) -> Result<Tensor<4>, E> {
        self(x, sigma)
    }
}
