//! The number of sampling steps of a task.

use diffusion::{Betas, ModelSigmas, Schedule, Sigmas};
use protocol::Parameters;
use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

/// Number of sampling steps. Differs from `steps` with an initial image, which shortens the schedules `leading`,
/// `linspace` and `trailing`, and sometimes `lcm`; and after a change of the number of steps.
pub fn total_steps(of: &Parameters) -> u32 {
    // Cached: lists and events compute it for each of up to a thousand tasks, most of them alike, and the schedule
    // `beta` solves an equation for each step.
    static TABLE: LazyLock<Option<ModelSigmas>> = LazyLock::new(|| ModelSigmas::new(Betas::default()).ok());
    static KNOWN: Mutex<BTreeMap<(Schedule, u32, u64), u32>> = Mutex::new(BTreeMap::new());
    const MOST_KNOWN: usize = 1024;
    let strength = of.strength.unwrap_or(1.0);
    let key = (of.scheduler, of.steps, strength.to_bits());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    let count = || {
        let sigmas = of.scheduler.truncated(TABLE.as_ref()?, of.steps as usize, strength).ok()?;
        u32::try_from(sigmas.len().saturating_sub(1)).ok()
    };
    of.track.total_steps(*known.entry(key).or_insert_with(|| count().unwrap_or(of.steps)))
}
