//! Euler's method, and DDIM, which equals Euler's method in these variables.

use super::run::{Run, Stepped, ancestral_parts, euler_step};
use crate::Denoise;
use burn::tensor::Tensor;

/// Euler steps (Karras et al. 2022, algorithm 2 without churn; k-diffusion's `sample_euler`).
///
/// One model evaluation per step.
pub(super) fn euler<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        x = euler_step(x, denoised, step.sigma, step.next);
    }
    Ok(x)
}

/// Deterministic DDIM (Song et al. 2021, eta 0; diffusers' `DDIMScheduler`).
///
/// Its update is `sqrt(a') * x0 + sqrt(1 - a') * eps` with `a' = 1 / (sigma'^2 + 1)`. Divided by `sqrt(a')` this is
/// Euler's `x0 + sigma' * eps`.
pub(super) fn ddim<D: Denoise>(run: &mut Run<'_, D>, x: Tensor<4>) -> Stepped<D> {
    euler(run, x)
}

/// Ancestral Euler steps: each step goes below its target noise level, then adds new noise up to it (k-diffusion's
/// `sample_euler_ancestral`, eta 1).
///
/// One model evaluation per step. Every step but the last adds noise.
pub(super) fn euler_ancestral<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        let (down, up) = ancestral_parts(step.sigma, step.next);
        x = euler_step(x, denoised, step.sigma, down);
        if !step.is_last() {
            x = run.with_noise(x, &step, up);
        }
    }
    Ok(x)
}
