//! The formula of each schedule. All return decreasing noise levels above 0.

use super::{
    Schedule,
    beta_quantile::beta_quantile,
    table::{ModelSigmas, TRAINING_STEPS},
};

/// Both parameters of the beta schedule's distribution (Lee et al. 2024, "Beta Sampling is All You Need"; ComfyUI's
/// default).
const BETA_SHAPE: f64 = 0.6;
/// The exponent of the Karras schedule (Karras et al. 2022).
const RHO: f64 = 7.0;

/// The levels of a schedule with `count` levels (at least 1), without the first `skip`.
///
/// Up to [`TRAINING_STEPS`] levels, schedules that choose from the table use whole timesteps. With more levels, which a
/// schedule shortened by `strength` may need, they interpolate, so that no level occurs twice.
pub(super) fn points(schedule: Schedule, table: &ModelSigmas, count: usize, skip: usize) -> Vec<f32> {
    let top = (TRAINING_STEPS - 1) as f64;
    let each = |sigma: &dyn Fn(usize) -> f32| (skip..count).map(sigma).collect();
    let at = |timestep: &dyn Fn(usize) -> f64| each(&|i| table.sigma_from_timestep(timestep(i)));
    let between =
        |from: f64, to: f64, intervals: usize, i: usize| from + (to - from) * i as f64 / intervals.max(1) as f64;
    match schedule {
        Schedule::Normal => at(&|i| between(top, 0.0, count - 1, i)),
        Schedule::SgmUniform => at(&|i| between(top, 0.0, count, i)),
        Schedule::Karras => {
            let root = |sigma: f32| f64::from(sigma).powf(1.0 / RHO);
            let (from, to) = (root(table.max()), root(table.min()));
            each(&|i| between(from, to, count - 1, i).powf(RHO) as f32)
        }
        Schedule::Exponential => {
            let (from, to) = (f64::from(table.max()).ln(), f64::from(table.min()).ln());
            each(&|i| between(from, to, count - 1, i).exp() as f32)
        }
        Schedule::Simple => at(&|i| top - place(i, count)),
        Schedule::DdimUniform => at(&|i| ddim_uniform(i, count)),
        Schedule::Beta if count > TRAINING_STEPS => at(&|i| top * quantile(i, count)),
        Schedule::Beta => {
            let places = beta(count);
            at(&|i| places[i])
        }
        Schedule::Leading => at(&|i| leading(i, count, table.steps_offset())),
        Schedule::Linspace => {
            let step = top / count.saturating_sub(1).max(1) as f64;
            each(&|i| table.sigma_between(f64::from(((count - 1 - i) as f64 * step) as f32)))
        }
        Schedule::Trailing => at(&|i| trailing(i, count)),
        Schedule::Lcm => lcm(table, count, 1.0).split_off(skip),
    }
}

/// The start of part `i` when the table is divided into `count` equal parts.
fn place(i: usize, count: usize) -> f64 {
    let part = |length: usize| i as f64 * (length as f64 / count as f64);
    // Interpolation uses the intervals between the table's entries, one fewer than entries.
    if count <= TRAINING_STEPS { part(TRAINING_STEPS).floor() } else { part(TRAINING_STEPS - 1) }
}

/// Timesteps 1, 1 + 1000 / count, and so on, returned from the highest.
///
/// ComfyUI truncates the stride to a whole number and continues to the end of the table, so that 30 requested steps
/// become 31. Here the stride is not truncated and the number of steps is exact. Both agree where the count divides
/// 1000.
fn ddim_uniform(i: usize, count: usize) -> f64 {
    place(count - 1 - i, count) + offset(count)
}

/// diffusers' `leading` spacing: timesteps `i * (1000 / count) + steps_offset`, with integer division.
///
/// With 600 steps this starts at timestep 600, far from pure noise; this matches diffusers. Where the offset would go
/// past the table (1000 steps with SDXL's offset of 1) diffusers repeats the highest level. Here the offset is reduced
/// and every level occurs once.
fn leading(i: usize, count: usize, steps_offset: usize) -> f64 {
    let stride = TRAINING_STEPS / count;
    let offset = steps_offset.min(TRAINING_STEPS - 1 - (count - 1) * stride);
    ((count - 1 - i) * stride + offset) as f64
}

/// diffusers' `trailing` spacing: `round(arange(1000, 0, -1000 / count)) - 1`, halves rounded to even. NumPy's `arange`
/// adds multiples of the difference of its first two elements.
fn trailing(i: usize, count: usize) -> f64 {
    let first = TRAINING_STEPS as f64;
    let stride = (first - first / count as f64) - first;
    (first + i as f64 * stride).round_ties_even() - 1.0
}

/// Timesteps with which LCM and TCD models are distilled: 19, 39, ..., 999 (diffusers' `original_inference_steps`).
const LCM_TIMESTEPS: usize = 50;

/// The levels of diffusers' `LCMScheduler.set_timesteps(steps, strength=strength)`: evenly spaced places in the lowest
/// `int(50 * strength)` of its timesteps, from the highest. It refuses more steps than these; here they are chosen from
/// the lowest `int(1000 * strength)` of all timesteps, as `TCDScheduler` with `original_inference_steps=1000` does.
pub(super) fn lcm(table: &ModelSigmas, steps: usize, strength: f64) -> Vec<f32> {
    let lowest = |all: usize| (all as f64 * strength) as usize;
    let all = if steps <= lowest(LCM_TIMESTEPS) { LCM_TIMESTEPS } else { TRAINING_STEPS };
    let kept = lowest(all).max(1);
    let steps = steps.min(kept);
    // NumPy's linspace(0, kept, steps, endpoint=False).
    let place = |i: usize| (i as f64 * (kept as f64 / steps as f64)) as usize;
    let timestep = |i: usize| (kept - place(i)) * (TRAINING_STEPS / all) - 1;
    (0..steps).map(|i| table.sigma_from_timestep(timestep(i) as f64)).collect()
}

/// The offset of schedules that start at the table's second entry. It is 0 when they need every entry.
fn offset(count: usize) -> f64 {
    if count < TRAINING_STEPS { 1.0 } else { 0.0 }
}

/// Quantiles of Beta(0.6, 0.6), rounded to whole timesteps.
///
/// From 139 steps on, some neighbours round to the same timestep. ComfyUI drops one of them and makes fewer steps; here
/// it moves to the next unused timestep.
fn beta(count: usize) -> Vec<f64> {
    let top = (TRAINING_STEPS - 1) as f64;
    let mut free_up_to = top;
    (0..count)
        .map(|i| {
            let still_to_come = (count - 1 - i) as f64;
            let place = (quantile(i, count) * top).round_ties_even().max(still_to_come).min(free_up_to);
            free_up_to = place - 1.0;
            place
        })
        .collect()
}

fn quantile(i: usize, count: usize) -> f64 {
    beta_quantile(1.0 - i as f64 / count as f64, BETA_SHAPE, BETA_SHAPE)
}
