//! Heun's method.

use super::{
    Outcome,
    run::{Run, combined, euler_step},
};
use crate::{Denoise, Observer};
use burn::tensor::Tensor;

/// Heun steps (Karras et al. 2022, algorithm 1; k-diffusion's `sample_heun` without churn).
///
/// `x` is `[batch, channels, height, width]` at noise level `sigmas[0]`. Two model evaluations per step, one in the
/// last step.
///
/// # Errors
/// Any error of `denoise`.
pub fn heun<D: Denoise>(
    denoise: &mut D,
    mut x: Tensor<4>,
    sigmas: &[f32],
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    Run::over(denoise, sigmas, observer, |run| {
        for step in run.intervals() {
            let denoised = run.observed(&step, &x)?;
            let predicted = euler_step(x.clone(), denoised, step.sigma, step.next);
            if step.is_last() {
                x = predicted;
                continue;
            }
            let denoised = run.evaluated(&step, predicted.clone(), step.next)?;
            // x + dt * (d + d') / 2, where x + dt * d is `predicted` and d' = (predicted - denoised) / next.
            let half = 0.5 * (step.next - step.sigma) / step.next;
            x = combined(0.5, x, 0.5 + half, predicted) - denoised.mul_scalar(half as f32);
        }
        Ok(x)
    })
}
