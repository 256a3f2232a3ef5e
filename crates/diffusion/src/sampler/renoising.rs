//! Samplers that add noise to the estimate x0.

use super::{
    Outcome,
    run::{Run, combined, with_noise},
};
use crate::{Denoise, NoiseSource, Observer};
use burn::tensor::Tensor;

/// Latent consistency sampling (Luo et al. 2023): each step adds noise of the next level to the estimate (ComfyUI's
/// `sample_lcm`; diffusers' `LCMScheduler` with its boundary scalings at their limits, `c_skip` 0 and `c_out` 1, from
/// which they differ by less than 1e-5).
///
/// `x` is `[batch, channels, height, width]` at noise level `sigmas[0]`. One model evaluation per step. Every step but
/// the last adds noise.
///
/// # Errors
/// Any error of `denoise`.
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
                x = with_noise(x, &step, step.next, noise);
            }
        }
        Ok(x)
    })
}

/// Ancestral sampling from the posterior of the diffusion process (Ho et al. 2020, formulas 6 and 7; diffusers'
/// `DDPMScheduler` with the smaller variance).
///
/// In these variables the posterior of `x'` given `x` and `x0` has mean `x0 + q * (x - x0)` and standard deviation
/// `sigma' * sqrt(1 - q)`, with `q = (sigma' / sigma)^2`. `euler_ancestral` with eta 1 samples from the same
/// distribution.
///
/// `x` is `[batch, channels, height, width]` at noise level `sigmas[0]`. One model evaluation per step. Every step but
/// the last adds noise.
///
/// # Errors
/// Any error of `denoise`.
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
            x = combined(keep, x, 1.0 - keep, denoised);
            x = with_noise(x, &step, step.next * (1.0 - keep).sqrt(), noise);
        }
        Ok(x)
    })
}
