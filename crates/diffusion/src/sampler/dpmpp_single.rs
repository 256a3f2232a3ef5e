//! DPM-Solver++, single-step: two model evaluations per step.

use super::run::{Run, Stepped, ancestral_parts, euler_step};
use crate::Denoise;
use burn::tensor::Tensor;

// In data prediction form a step is `(sigma' / sigma) * x - expm1(-h) * x0` with `h = ln(sigma / sigma')`, which is the
// straight line of `euler_step`. Both samplers use such lines, with the estimate at a lower noise level.

/// Ancestral DPM-Solver++(2S) (Lu et al. 2022; k-diffusion's `sample_dpmpp_2s_ancestral`, eta 1).
///
/// Two model evaluations per step, one in the last step. Every step but the last adds noise.
pub(super) fn dpmpp_2s_ancestral<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
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
        x = run.with_noise(x, &step, up);
    }
    Ok(x)
}

/// DPM-Solver++ (SDE) (k-diffusion's `sample_dpmpp_sde`, eta 1, r 1/2).
///
/// Two model evaluations per step, one in the last step. Every step but the last draws noise twice, to its middle
/// and to its end. Both draws must lie on one path, so the noise should be a [`BrownianPath`](crate::BrownianPath).
pub(super) fn dpmpp_sde<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        if step.is_last() {
            x = denoised;
            continue;
        }
        let middle = (step.sigma * step.next).sqrt();

        let (down, up) = ancestral_parts(step.sigma, middle);
        let halfway = euler_step(x.clone(), denoised, step.sigma, down);
        let drawn = run.noise.draw(&x, step.sigma as f32, middle as f32);
        let denoised = run.evaluated(&step, halfway + drawn.mul_scalar(up as f32), middle)?;

        // With r = 1/2 the weight of the estimate at the start is 0.
        let (down, up) = ancestral_parts(step.sigma, step.next);
        x = euler_step(x, denoised, step.sigma, down);
        x = run.with_noise(x, &step, up);
    }
    Ok(x)
}
