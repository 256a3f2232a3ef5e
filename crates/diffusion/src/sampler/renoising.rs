//! Samplers that add noise to the estimate x0.

use super::run::{Run, Stepped, combined, euler_step};
use crate::Denoise;
use burn::tensor::Tensor;

/// Latent consistency sampling (Luo et al. 2023): each step adds noise of the next level to the estimate (ComfyUI's
/// `sample_lcm`, diffusers' `LCMScheduler`).
///
/// diffusers' boundary scalings (sigma_data 0.5, timesteps times 10) are taken at their limits, `c_skip` 0 and `c_out` 1.
/// At the timesteps of the schedule `lcm`, 19 and more, they differ from these by less than 7e-6. At timestep 0, where
/// other schedules end, they would make the last step return its input with all its noise.
///
/// One model evaluation per step. Every step but the last adds noise.
pub(super) fn lcm<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        x = run.observed(&step, &x)?;
        if !step.is_last() {
            x = run.with_noise(x, &step, step.next);
        }
    }
    Ok(x)
}

/// Share of the timestep of the next level to which a step of [`tcd`] denoises: 1 - `eta`, with diffusers' default of 0.3.
/// Computed in f32, as there.
const TCD_DENOISED_SHARE: f32 = 1.0 - 0.3;

/// Trajectory consistency sampling (Zheng et al. 2024, strategic stochastic sampling; diffusers' `TCDScheduler`). Each step
/// goes to 0.7 of the next level's timestep, rounded down, then adds noise up to the next level (`eta` is 0.3, diffusers'
/// default).
///
/// The last step ends at the lowest level of the training schedule, and returns its latents scaled to unit variance, as
/// in diffusers: they contain 0.03 of the predicted noise with SDXL's table.
///
/// One model evaluation per step. Every step but the last adds noise.
pub(super) fn tcd<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        if step.is_last() {
            let lowest = f64::from(run.table().min()).min(step.sigma);
            let scale = 1.0 / lowest.hypot(1.0);
            return Ok(euler_step(x, denoised, step.sigma, lowest).mul_scalar(scale as f32));
        }
        let timestep = (run.table().timestep_from_sigma(step.next as f32) * TCD_DENOISED_SHARE).floor();
        let down = f64::from(run.table().sigma_from_timestep(timestep.into())).min(step.next);
        x = euler_step(x, denoised, step.sigma, down);
        x = run.with_noise(x, &step, (step.next.powi(2) - down.powi(2)).sqrt());
    }
    Ok(x)
}

/// Ancestral sampling from the posterior of the diffusion process (Ho et al. 2020, formulas 6 and 7; diffusers'
/// `DDPMScheduler` with the smaller variance).
///
/// In these variables the posterior of `x'` given `x` and `x0` has mean `x0 + q * (x - x0)` and standard deviation
/// `sigma' * sqrt(1 - q)`, with `q = (sigma' / sigma)^2`. `euler_ancestral` with eta 1 samples from the same
/// distribution.
///
/// One model evaluation per step. Every step but the last adds noise.
pub(super) fn ddpm<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        if step.is_last() {
            return Ok(denoised);
        }
        let keep = (step.next / step.sigma).powi(2);
        x = combined(keep, x, 1.0 - keep, denoised);
        x = run.with_noise(x, &step, step.next * (1.0 - keep).sqrt());
    }
    Ok(x)
}
