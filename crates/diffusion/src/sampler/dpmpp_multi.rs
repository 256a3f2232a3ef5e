//! DPM-Solver++, multistep: reuses the estimates of earlier steps.

use super::run::{Interval, Noise, Run, Stepped, combined, euler_step, with_noise};
use crate::Denoise;
use burn::tensor::Tensor;

/// The estimate of an earlier step and that step's length in log sigma.
struct Past {
    denoised: Tensor<4>,
    h: f64,
}

/// The length of a step in `-ln sigma`.
fn length(step: &Interval) -> f64 {
    (step.sigma / step.next).ln()
}

/// DPM-Solver++(2M) (Lu et al. 2022; k-diffusion's `sample_dpmpp_2m`).
///
/// One model evaluation per step.
pub(super) fn dpmpp_2m<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>) -> Stepped<D> {
    let mut past: Option<Past> = None;
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        if step.is_last() {
            return Ok(denoised);
        }
        let h = length(&step);
        let steered = match past.take() {
            Some(old) => {
                let weight = 0.5 * h / old.h;
                combined(1.0 + weight, denoised.clone(), -weight, old.denoised)
            }
            None => denoised.clone(),
        };
        x = euler_step(x, steered, step.sigma, step.next);
        past = Some(Past { denoised, h });
    }
    Ok(x)
}

/// DPM-Solver++(2M) SDE, midpoint form (k-diffusion's `sample_dpmpp_2m_sde`, eta 1).
///
/// One model evaluation per step. Every step but the last adds noise.
pub(super) fn dpmpp_2m_sde<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>, noise: Noise) -> Stepped<D> {
    let mut past: Option<Past> = None;
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        if step.is_last() {
            return Ok(denoised);
        }
        let h = length(&step);
        let keep = (-2.0 * h).exp();
        let weight = past.as_ref().map_or(0.0, |old| 0.5 * (1.0 - keep) * h / old.h);
        x = combined(keep, x, 1.0 - keep + weight, denoised.clone());
        if let Some(old) = past.take() {
            x = x - old.denoised.mul_scalar(weight as f32);
        }
        x = renoised(x, &step, keep, noise);
        past = Some(Past { denoised, h });
    }
    Ok(x)
}

/// DPM-Solver++(3M) SDE (k-diffusion's `sample_dpmpp_3m_sde`, eta 1).
///
/// One model evaluation per step. Every step but the last adds noise.
pub(super) fn dpmpp_3m_sde<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>, noise: Noise) -> Stepped<D> {
    // Ordered from oldest to newest.
    let mut past: [Option<Past>; 2] = [None, None];
    for step in run.intervals() {
        let denoised = run.observed(&step, &x)?;
        if step.is_last() {
            return Ok(denoised);
        }
        let h = length(&step);
        let keep = (-2.0 * h).exp();
        let lengths = [past[1].as_ref().map(|p| p.h), past[0].as_ref().map(|p| p.h)];
        let [now, before, before_that] = weights_3m(h, lengths);
        x = combined(keep, x, 1.0 - keep + now, denoised.clone());
        let [older, old] = past;
        for (weight, estimate) in [(before, &old), (before_that, &older)] {
            if let Some(estimate) = estimate {
                x = x + estimate.denoised.clone().mul_scalar(weight as f32);
            }
        }
        x = renoised(x, &step, keep, noise);
        past = [old, Some(Past { denoised, h })];
    }
    Ok(x)
}

/// The third-order correction's weights for the estimate of this step and of the two before it. `lengths` are the
/// lengths of the last step and of the one before, `None` where there was no such step.
fn weights_3m(h: f64, lengths: [Option<f64>; 2]) -> [f64; 3] {
    let doubled = 2.0 * h;
    let phi_2 = (-doubled).exp_m1() / doubled + 1.0;
    let phi_3 = phi_2 / doubled - 0.5;
    match lengths {
        [None, _] => [0.0; 3],
        [Some(last), None] => {
            let weight = phi_2 * h / last;
            [weight, -weight, 0.0]
        }
        [Some(last), Some(before)] => {
            let (r0, r1) = (last / h, before / h);
            // Weights of the first and second difference quotients in phi_2 * d1 - phi_3 * d2.
            let bend = (phi_2 * r0 - phi_3) / (r0 + r1);
            let (first, second) = ((phi_2 + bend) / r0, -bend / r1);
            [first, second - first, -second]
        }
    }
}

/// Adds the noise of an SDE step, scaled by `sigma' * sqrt(1 - keep)`.
fn renoised(x: Tensor<4>, step: &Interval, keep: f64, noise: Noise) -> Tensor<4> {
    with_noise(x, step, step.next * (1.0 - keep).sqrt(), noise)
}
