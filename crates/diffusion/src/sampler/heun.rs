//! Heun's method.

use super::run::{Run, Stepped, combined, euler_step};
use crate::Denoise;
use burn::tensor::Tensor;

/// Heun steps (Karras et al. 2022, algorithm 1; k-diffusion's `sample_heun` without churn).
///
/// Two model evaluations per step, one in the last step.
pub(super) fn heun<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
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
}
