//! DPM-Solver++, multistep: reuses the estimates of earlier steps.

use super::run::{Interval, Run, Stepped, combined, euler_step};
use crate::{Denoise, Past};
use burn::tensor::Tensor;

/// The length of a step in `-ln sigma`.
fn length(step: &Interval) -> f64 {
    (step.sigma / step.next).ln()
}

/// The same for an earlier step, which ended at noise level `end`.
fn past_length(past: &Past, end: f64) -> f64 {
    (past.sigma / end).ln()
}

/// DPM-Solver++(2M) (Lu et al. 2022; k-diffusion's `sample_dpmpp_2m`).
///
/// One model evaluation per step; the estimate of the step before is reused.
pub(super) fn dpmpp_2m<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>, mut past: Vec<Past>) -> Stepped<D> {
    for step in run.intervals() {
        past.truncate(1);
        let denoised = run.observed_with(&step, &x, &past)?;
        if step.is_last() {
            return Ok(denoised);
        }
        let h = length(&step);
        let steered = match past.pop() {
            Some(old) => {
                let weight = 0.5 * h / past_length(&old, step.sigma);
                combined(1.0 + weight, denoised.clone(), -weight, old.value)
            }
            None => denoised.clone(),
        };
        x = euler_step(x, steered, step.sigma, step.next);
        past.push(Past { sigma: step.sigma, value: denoised });
    }
    Ok(x)
}

/// DPM-Solver++(2M) SDE, midpoint form (k-diffusion's `sample_dpmpp_2m_sde`, eta 1).
///
/// One model evaluation per step; the estimate of the step before is reused. Every step but the last adds noise.
pub(super) fn dpmpp_2m_sde<D: Denoise>(run: &mut Run<'_, D>, x: Tensor<4>, past: Vec<Past>) -> Stepped<D> {
    multistep_sde(run, x, past, 1, weights_2m)
}

/// DPM-Solver++(3M) SDE (k-diffusion's `sample_dpmpp_3m_sde`, eta 1).
///
/// One model evaluation per step; the estimates of the two steps before are reused. Every step but the last adds noise.
pub(super) fn dpmpp_3m_sde<D: Denoise>(run: &mut Run<'_, D>, x: Tensor<4>, past: Vec<Past>) -> Stepped<D> {
    multistep_sde(run, x, past, 2, weights_3m)
}

/// A correction's weights for the estimate of this step and of the two before it. The arguments are this step's length, the
/// length of the last step and of the one before; `None` where there was no such step.
type Correction = fn(f64, [Option<f64>; 2]) -> [f64; 3];

/// The exponential SDE step with a correction from the estimates of at most `kept` earlier steps.
fn multistep_sde<D: Denoise>(
    run: &mut Run<'_, D>,
    mut x: Tensor<4>,
    mut past: Vec<Past>,
    kept: usize,
    correction: Correction,
) -> Stepped<D> {
    for step in run.intervals() {
        past.truncate(kept);
        let denoised = run.observed_with(&step, &x, &past)?;
        if step.is_last() {
            return Ok(denoised);
        }
        let h = length(&step);
        let keep = (-2.0 * h).exp();
        let last = past.first().map(|last| past_length(last, step.sigma));
        let before = past.first().zip(past.get(1)).map(|(last, before)| past_length(before, last.sigma));
        let [now, of_last, of_before] = correction(h, [last, before]);
        x = combined(keep, x, 1.0 - keep + now, denoised.clone());
        for (weight, estimate) in [of_last, of_before].into_iter().zip(&past) {
            x = x + estimate.value.clone().mul_scalar(weight as f32);
        }
        x = run.with_noise(x, &step, step.next * (1.0 - keep).sqrt());
        past.insert(0, Past { sigma: step.sigma, value: denoised });
    }
    Ok(x)
}

/// The second-order [`Correction`].
fn weights_2m(h: f64, [last, _]: [Option<f64>; 2]) -> [f64; 3] {
    last.map_or([0.0; 3], |last| {
        let weight = 0.5 * (1.0 - (-2.0 * h).exp()) * h / last;
        [weight, -weight, 0.0]
    })
}

/// The third-order [`Correction`].
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
