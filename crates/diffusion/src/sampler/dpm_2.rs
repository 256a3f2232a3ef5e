//! DPM-Solver-2: the midpoint method in log sigma.

use super::run::{Interval, Run, Stepped, ancestral_parts, euler_step};
use crate::Denoise;
use burn::tensor::Tensor;

/// Midpoint steps (Lu et al. 2022, DPM-Solver-2; k-diffusion's `sample_dpm_2` without churn).
///
/// Two model evaluations per step, one in the last step.
pub(super) fn dpm_2<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        x = midpoint_step(run, &step, x, step.next)?;
    }
    Ok(x)
}

/// Ancestral midpoint steps: each step goes below its target noise level, then adds new noise up to it (k-diffusion's
/// `sample_dpm_2_ancestral`, eta 1).
///
/// Two model evaluations per step, one in the last step. Every step but the last adds noise.
pub(super) fn dpm_2_ancestral<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        let (down, up) = ancestral_parts(step.sigma, step.next);
        x = midpoint_step(run, &step, x, down)?;
        if !step.is_last() {
            x = run.with_noise(x, &step, up);
        }
    }
    Ok(x)
}

/// Step from `step.sigma` to `to` with the slope at the geometric mean of the two.
fn midpoint_step<D: Denoise>(run: &mut Run<'_, D>, step: &Interval, x: Tensor<4>, to: f64) -> Stepped<D> {
    let denoised = run.observed(step, &x)?;
    if to == 0.0 {
        return Ok(denoised);
    }
    let middle = (step.sigma * to).sqrt();
    let halfway = euler_step(x.clone(), denoised, step.sigma, middle);
    let denoised = run.evaluated(step, halfway.clone(), middle)?;
    Ok(x + (halfway - denoised).mul_scalar(((to - step.sigma) / middle) as f32))
}
