//! What a sampler asks of a model.

use burn::tensor::Tensor;

/// A model seen from a sampler: the estimate of the finished latents at any noise level.
///
/// [`Guided`](crate::Guided) makes one of a network; closures `FnMut(Tensor<4>, f32) -> Result<Tensor<4>, E>`
/// are one too.
pub trait Denoise {
    /// Why there is no estimate.
    type Error;

    /// The estimate x0 of the noisy latents `x` at `sigma`, both `[batch, channels, height, width]` and of
    /// one dtype. `x = x0 + sigma * noise`, not scaled for a network's input.
    ///
    /// # Errors
    /// Whatever keeps the model from answering; the sampler hands it on and ends.
    fn denoise(&mut self, x: Tensor<4>, sigma: f32) -> Result<Tensor<4>, Self::Error>;
}

impl<E, F: FnMut(Tensor<4>, f32) -> Result<Tensor<4>, E>> Denoise for F {
    type Error = E;

    fn denoise(&mut self, x: Tensor<4>, sigma: f32) -> Result<Tensor<4>, E> {
        self(x, sigma)
    }
}
