//! Euler's method, and DDIM, which equals Euler's method in these variables.

use super::{
    Outcome,
    run::{Run, ancestral_parts, euler_step, with_noise},
};
use crate::{Denoise, NoiseSource, Observer};
use burn::tensor::Tensor;

/// Euler steps (Karras et al. 2022, algorithm 2 without churn; k-diffusion's `sample_euler`).
///
/// `x` is `[batch, channels, height, width]` at noise level `sigmas[0]`. One model evaluation per step.
///
/// # Errors
/// Any error of `denoise`.
pub fn euler<D: Denoise>(
    denoise: &mut D,
    mut x: Tensor<4>,
    sigmas: &[f32],
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    Run::over(denoise, sigmas, observer, |run| {
        for step in run.intervals() {
            let denoised = run.observed(&step, &x)?;
            x = euler_step(x, denoised, step.sigma, step.next);
        }
        Ok(x)
    })
}

/// Deterministic DDIM (Song et al. 2021, eta 0; diffusers' `DDIMScheduler`).
///
/// Its update is `sqrt(a') * x0 + sqrt(1 - a') * eps` with `a' = 1 / (sigma'^2 + 1)`. Divided by `sqrt(a')` this is
/// Euler's `x0 + sigma' * eps`. Same shapes as [`euler`].
///
/// # Errors
/// Any error of `denoise`.
pub fn ddim<D: Denoise>(
    denoise: &mut D,
    x: Tensor<4>,
    sigmas: &[f32],
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    euler(denoise, x, sigmas, observer)
}

/// Ancestral Euler steps: each step goes below its target noise level, then adds new noise up to it (k-diffusion's
/// `sample_euler_ancestral`, eta 1).
///
/// `x` is `[batch, channels, height, width]` at noise level `sigmas[0]`. One model evaluation per step. Every step but
/// the last adds noise.
///
/// # Errors
/// Any error of `denoise`.
pub fn euler_ancestral<D: Denoise>(
    denoise: &mut D,
    mut x: Tensor<4>,
    sigmas: &[f32],
    noise: &mut dyn NoiseSource,
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    Run::over(denoise, sigmas, observer, |run| {
        for step in run.intervals() {
            let denoised = run.observed(&step, &x)?;
            let (down, up) = ancestral_parts(step.sigma, step.next);
            x = euler_step(x, denoised, step.sigma, down);
            if !step.is_last() {
                x = with_noise(x, &step, up, noise);
            }
        }
        Ok(x)
    })
}
