//! The state of a run between two steps.

use crate::NoisePosition;
use burn::tensor::Tensor;

/// A tensor that a multistep sampler keeps from an earlier step.
#[derive(Clone, Debug)]
pub struct Past {
    /// The noise level of that step.
    pub sigma: f64,
    /// The estimate x0 at that level. For `lms` the slope `(x - x0) / sigma`; for `uni_pc` the newest entry is the
    /// corrected x, and the others are estimates.
    pub value: Tensor<4>,
}

/// The state of a run between two steps: all that its remaining steps depend on, apart from the model and the sigmas. A run
/// continued from it gives the numbers of the uninterrupted run, bit for bit where the model does.
#[derive(Clone, Debug)]
pub struct SamplerState {
    /// Number of finished steps.
    pub step: usize,
    /// The noisy latents, `[batch, channels, height, width]`, at the noise level with this index.
    pub x: Tensor<4>,
    /// What the sampler keeps of earlier steps, newest first. Without it a multistep sampler starts again with its first
    /// order.
    pub past: Vec<Past>,
    /// Position in the stream of the steps' noise.
    pub noise: NoisePosition,
}
