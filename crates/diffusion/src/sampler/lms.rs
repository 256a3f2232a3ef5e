//! The linear multistep method.

use super::run::{Run, Stepped};
use crate::{Denoise, Past};
use burn::tensor::Tensor;

const ORDER: usize = 4;

/// Adams-Bashforth steps of order 4 on an uneven grid (k-diffusion's `sample_lms`).
///
/// One model evaluation per step; the slopes of up to three earlier steps are reused.
pub(super) fn lms<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>, mut slopes: Vec<Past>) -> Stepped<D> {
    for step in run.intervals() {
        // A step uses its own slope and those of up to three earlier steps.
        slopes.truncate(ORDER - 1);
        let denoised = run.observed_with(&step, &x, &slopes)?;
        let value = (x.clone() - denoised).div_scalar(step.sigma as f32);
        slopes.insert(0, Past { sigma: step.sigma, value });
        let nodes: Vec<f64> = slopes.iter().map(|slope| slope.sigma).collect();
        for (j, slope) in slopes.iter().enumerate() {
            let weight = lagrange_integral(&nodes, j, step.sigma, step.next);
            x = x + slope.value.clone().mul_scalar(weight as f32);
        }
    }
    Ok(x)
}

/// Integral from `from` to `to` of the Lagrange polynomial that is 1 at `nodes[j]` and 0 at the other nodes. Four nodes
/// give degree 3, for which two-point Gauss quadrature is exact.
fn lagrange_integral(nodes: &[f64], j: usize, from: f64, to: f64) -> f64 {
    let polynomial = |t: f64| -> f64 {
        let others = nodes.iter().enumerate().filter(|(k, _)| *k != j);
        others.map(|(_, node)| (t - node) / (nodes[j] - node)).product()
    };
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    let offset = half / 3.0_f64.sqrt();
    half * (polynomial(middle - offset) + polynomial(middle + offset))
}
