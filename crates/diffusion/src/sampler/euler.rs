//! Euler's method, and the two samplers that are Euler's method in these variables.

use super::{
    Outcome,
    run::{Run, ancestral_parts, euler_step},
};
use crate::{Denoise, NoiseSource, Observer};
use burn::tensor::Tensor;

/// Euler steps (Karras et al. 2022, algorithm 2 without churn; k-diffusion's `sample_euler`).
///
/// `x` is `[batch, channels, height, width]` at the first of `sigmas`; one evaluation a step.
///
/// # Errors
/// Whatever `denoise` fails with.
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
/// Its update, `sqrt(a') * x0 + sqrt(1 - a') * eps` with `a' = 1 / (sigma'^2 + 1)`, divided by `sqrt(a')` is
/// Euler's `x0 + sigma' * eps`. Shapes and errors as [`euler`].
///
/// # Errors
/// Whatever `denoise` fails with.
pub fn ddim<D: Denoise>(
    denoise: &mut D,
    x: Tensor<4>,
    sigmas: &[f32],
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    euler(denoise, x, sigmas, observer)
}

/// Euler steps that go too far down and come back up with fresh noise (k-diffusion's
/// `sample_euler_ancestral`, eta 1).
///
/// `x` is `[batch, channels, height, width]` at the first of `sigmas`; one evaluation a step, noise on all
/// steps but the last.
///
/// # Errors
/// Whatever `denoise` fails with.
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
                let (sigma, next) = step.ends();
                let drawn = noise.draw(&x, sigma, next);
                x = x + drawn.mul_scalar(up as f32);
            }
        }
        Ok(x)
    })
}
