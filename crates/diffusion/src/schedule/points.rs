//! Each schedule's formula: falling noise levels above 0.

use super::{
    Schedule,
    beta_quantile::beta_quantile,
    table::{ModelSigmas, TRAINING_STEPS},
};

/// Shape of the beta schedule's distribution, both parameters (Lee et al. 2024, "Beta Sampling is All You
/// Need"; ComfyUI's default).
const BETA_SHAPE: f64 = 0.6;
/// Karras et al. 2022.
const RHO: f64 = 7.0;

/// The levels from place `skip` on of a schedule with `count` levels, for any count from 1.
///
/// Up to [`TRAINING_STEPS`] the schedules that pick from the table take whole places of it; past that (a
/// truncated schedule may need it) they interpolate, so that no level comes twice.
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
    }
}

/// The start of the `i`th of `count` equal parts of the table.
fn place(i: usize, count: usize) -> f64 {
    let part = |length: usize| i as f64 * (length as f64 / count as f64);
    // Between places the table is one interval shorter than it is long.
    if count <= TRAINING_STEPS { part(TRAINING_STEPS).floor() } else { part(TRAINING_STEPS - 1) }
}

/// Places 1, 1 + 1000 / count, ... and so on, the highest first.
///
/// ComfyUI cuts the stride down to a whole number and walks to the table's end, so that 30 steps asked for
/// become 31: here the stride is not cut and there are as many steps as asked for. The two agree where the
/// count divides 1000.
fn ddim_uniform(i: usize, count: usize) -> f64 {
    place(count - 1 - i, count) + offset(count)
}

/// diffusers' `leading` spacing: places `i * (1000 / count) + steps_offset`, the division a whole one.
///
/// So 600 steps start at place 600, far from pure noise: diffusers' rule, kept. Where the offset would lead beyond the
/// table (1000 steps and SDXL's offset of 1) diffusers has the table's top twice; here the offset is smaller and every
/// level comes once.
fn leading(i: usize, count: usize, steps_offset: usize) -> f64 {
    let stride = TRAINING_STEPS / count;
    let offset = steps_offset.min(TRAINING_STEPS - 1 - (count - 1) * stride);
    ((count - 1 - i) * stride + offset) as f64
}

/// diffusers' `trailing` spacing: `round(arange(1000, 0, -1000 / count)) - 1`, halves rounded to even. NumPy's arange
/// adds multiples of the difference of its first two elements.
fn trailing(i: usize, count: usize) -> f64 {
    let first = TRAINING_STEPS as f64;
    let stride = (first - first / count as f64) - first;
    (first + i as f64 * stride).round_ties_even() - 1.0
}

/// Schedules that begin at the table's second place leave it at the first when they need every place.
fn offset(count: usize) -> f64 {
    if count < TRAINING_STEPS { 1.0 } else { 0.0 }
}

/// Quantiles of Beta(0.6, 0.6), rounded to the table's places.
///
/// From 139 steps on some neighbours round to the same place. ComfyUI drops one and makes fewer steps; here it
/// moves to the next free place.
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
