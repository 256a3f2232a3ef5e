//! Samplers that add noise to the estimate itself.

use super::{
    Outcome,
    run::{Run, combined},
};
use crate::{Denoise, NoiseSource, Observer};
use burn::tensor::Tensor;

/// Latent consistency sampling (Luo et al. 2023): the estimate, noised again to the next level (ComfyUI's
/// `sample_lcm`; diffusers' `LCMScheduler` with its boundary scalings at their limits, `c_skip` 0 and
/// `c_out` 1, from which they differ by less than 1e-5).
///
/// `x` is `[batch, channels, height, width]` at the first of `sigmas`; one evaluation a step, noise on all
/// steps but the last.
///
/// # Errors
/// Whatever `denoise` fails with.
pub fn lcm<D: Denoise>(
    denoise: &mut D,
    mut x: Tensor<4>,
    sigmas: &[f32],
    noise: &mut dyn NoiseSource,
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    Run::over(denoise, sigmas, observer, |run| {
        for step in run.intervals() {
            x = run.observed(&step, &x)?;
            if !step.is_last() {
                let (sigma, next) = step.ends();
                let drawn = noise.draw(&x, sigma, next);
                x = x + drawn.mul_scalar(next);
            }
        }
        Ok(x)
    })
}

/// Ancestral sampling from the diffusion's posterior (Ho et al. 2020, formulas 6 and 7; diffusers'
/// `DDPMScheduler` with the smaller variance).
///
/// In these variables the posterior of `x'` given `x` and `x0` has mean `x0 + q * (x - x0)` and deviation
/// `sigma' * sqrt(1 - q)`, with `q = (sigma' / sigma)^2`: what `euler_ancestral` does with eta 1 too.
///
/// `x` is `[batch, channels, height, width]` at the first of `sigmas`; one evaluation a step, noise on all
/// steps but the last.
///
/// # Errors
/// Whatever `denoise` fails with.
pub fn ddpm<D: Denoise>(
    denoise: &mut D,
    mut x: Tensor<4>,
    sigmas: &[f32],
    noise: &mut dyn NoiseSource,
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    Run::over(denoise, sigmas, observer, |run| {
        for step in run.intervals() {
            let denoised = run.observed(&step, &x)?;
            if step.is_last() {
                return Ok(denoised);
            }
            let keep = (step.next / step.sigma).powi(2);
            let (sigma, next) = step.ends();
            let drawn = noise.draw(&x, sigma, next);
            x = combined(keep, x, 1.0 - keep, denoised);
            x = x + drawn.mul_scalar((step.next * (1.0 - keep).sqrt()) as f32);
        }
        Ok(x)
    })
}
