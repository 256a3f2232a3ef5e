//! UniPC: a predictor and a corrector that share their model evaluations.

use super::run::{Run, Stepped};
use crate::{Denoise, Past};
use burn::tensor::Tensor;

const ORDER: usize = 3;

/// UniPC of order 3 with B(h) = h (Zhao et al. 2023; ComfyUI's `uni_pc`, diffusers' `UniPCMultistepScheduler` with
/// `solver_type="bh1"`, `solver_order=3`). The last step, to sigma 0, returns its estimate.
///
/// One model evaluation per step. The observer sees the predicted `x`, which was the model's input, before the
/// corrector changes it. The first entry of `kept` is the corrected x of the step before; the others are estimates.
pub(super) fn uni_pc<D: Denoise>(run: &mut Run<'_, D>, mut x: Tensor<4>, mut kept: Vec<Past>) -> Stepped<D> {
    let total = run.total();
    for step in run.intervals() {
        kept.truncate(1 + ORDER);
        let denoised = run.observed_with(&step, &x, &kept)?;
        if step.is_last() {
            return Ok(denoised);
        }
        let mut past = kept.split_off(kept.len().min(1));
        let lambda = -step.sigma.ln();
        if let Some(start) = kept.pop() {
            // The order of the step before.
            let order = ORDER.min(past.len()).min(total + 1 - step.index);
            x = advanced(start.value, &past, lambda, Some(&denoised), order);
        }
        past.insert(0, Past { sigma: step.sigma, value: denoised });
        past.truncate(ORDER);
        let order = ORDER.min(past.len()).min(total - step.index);
        let corrected = Past { sigma: step.sigma, value: x.clone() };
        x = advanced(x, &past, -step.next.ln(), None, order);
        kept = [vec![corrected], past].concat();
    }
    Ok(x)
}

/// Moves `x` from the newest point in `past` to `to` (a `-ln sigma`). With `corrector`, the estimate at `to`, this is
/// UniC, without it UniP.
fn advanced(x: Tensor<4>, past: &[Past], to: f64, corrector: Option<&Tensor<4>>, order: usize) -> Tensor<4> {
    let Some((newest, older)) = past.split_first() else {
        return x;
    };
    let from = -newest.sigma.ln();
    // Times in units of this step's length, measured from its start: negative for past estimates, 1 for the step's end.
    let h = to - from;
    let mut nodes: Vec<(f64, &Tensor<4>)> =
        older.iter().take(order - 1).map(|old| ((-old.sigma.ln() - from) / h, &old.value)).collect();
    nodes.extend(corrector.map(|estimate| (1.0, estimate)));

    let times: Vec<f64> = nodes.iter().map(|(time, _)| *time).collect();
    let shares = shares(&times, h);
    let phi_1 = (-h).exp_m1();
    // x' = e^-h x - phi_1 m0 - B(h) * sum of share * (m - m0) / time, with B(h) = -h.
    let weights: Vec<f64> = shares.iter().zip(&times).map(|(share, time)| h * share / time).collect();
    let own = -phi_1 - weights.iter().sum::<f64>();
    let start = x.mul_scalar((-h).exp() as f32) + newest.value.clone().mul_scalar(own as f32);
    nodes.into_iter().zip(weights).fold(start, |x, ((_, m), weight)| x + m.clone().mul_scalar(weight as f32))
}

/// The coefficients rho, which solve `sum over k of rho_k * times_k^(i-1) = b_i`. For a single node this returns one
/// half instead, as the paper's reference code does.
fn shares(times: &[f64], h: f64) -> Vec<f64> {
    if times.len() < 2 {
        return vec![0.5; times.len()];
    }
    let mut phi = (-h).exp_m1() / -h - 1.0;
    let mut factorial = 1.0;
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(times.len());
    for i in 0..times.len() {
        let mut row: Vec<f64> = times.iter().map(|time| time.powi(i as i32)).collect();
        row.push(phi * factorial / -h);
        rows.push(row);
        factorial *= (i + 2) as f64;
        phi = phi / -h - 1.0 / factorial;
    }
    solved(rows)
}

/// Gaussian elimination without pivoting, for two or three rows with the right-hand side as last column. The rows are
/// powers of distinct times, so no pivot is 0.
fn solved(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for pivot in 0..n {
        let pivot_row: Vec<f64> = rows[pivot].iter().map(|v| v / rows[pivot][pivot]).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = if i == pivot { 0.0 } else { row[pivot] };
            row.iter_mut().zip(&pivot_row).for_each(|(value, p)| *value -= factor * p);
        }
        rows[pivot] = pivot_row;
    }
    rows.iter().map(|row| row[n]).collect()
}
