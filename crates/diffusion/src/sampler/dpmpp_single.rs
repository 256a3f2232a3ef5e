//! DPM-Solver++, single-step: two model evaluations per step.

use super::{
    Outcome,
    run::{Run, ancestral_parts, euler_step, with_noise},
};
use crate::{Denoise, NoiseSource, Observer};
use burn::tensor::Tensor;

// In data prediction form a step is `(sigma' / sigma) * x - expm1(-h) * x0` with `h = ln(sigma / sigma')`, which is the
// straight line of `euler_step`. Both samplers use such lines, with the estimate at a lower noise level.

/// Ancestral DPM-Solver++(2S) (Lu et al. 2022; k-diffusion's `sample_dpmpp_2s_ancestral`, eta 1).
///
/// `x` is `[batch, channels, height, width]` at noise level `sigmas[0]`. Two model evaluations per step, one in the
/// last step. Every step but the last adds noise.
///
/// # Errors
/// Any error of `denoise`.
pub fn dpmpp_2s_ancestral<D: Denoise>(
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
                x = denoised;
                continue;
            }
            let (down, up) = ancestral_parts(step.sigma, step.next);
            let middle = (step.sigma * down).sqrt();
            let halfway = euler_step(x.clone(), denoised, step.sigma, middle);
            let denoised = run.evaluated(&step, halfway, middle)?;
            x = euler_step(x, denoised, step.sigma, down);
            x = with_noise(x, &step, up, noise);
        }
        Ok(x)
    })
}

/// DPM-Solver++ (SDE) (k-diffusion's `sample_dpmpp_sde`, eta 1, r 1/2).
///
/// `x` is `[batch, channels, height, width]` at noise level `sigmas[0]`. Two model evaluations per step, one in the
/// last step. Every step but the last draws noise twice, to its middle and to its end. Both draws must lie on one path,
/// so `noise` should be a [`BrownianPath`](crate::BrownianPath).
///
/// # Errors
/// Any error of `denoise`.
pub fn dpmpp_sde<D: Denoise>(
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
                x = denoised;
                continue;
            }
            let middle = (step.sigma * step.next).sqrt();

            let (down, up) = ancestral_parts(step.sigma, middle);
            let halfway = euler_step(x.clone(), denoised, step.sigma, down);
            let drawn = noise.draw(&x, step.sigma as f32, middle as f32);
            let denoised = run.evaluated(&step, halfway + drawn.mul_scalar(up as f32), middle)?;

            // With r = 1/2 the weight of the estimate at the start is 0.
            let (down, up) = ancestral_parts(step.sigma, step.next);
            x = euler_step(x, denoised, step.sigma, down);
            x = with_noise(x, &step, up, noise);
        }
        Ok(x)
    })
}
