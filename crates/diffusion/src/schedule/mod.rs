//! Sigma schedules: the noise levels of a run.

mod beta_quantile;
mod points;
mod replan;
mod table;

pub use replan::replanned;
pub use table::{Betas, Edm, ModelSigmas, TRAINING_STEPS};

use crate::STRENGTH;
use generation::{Schedule, limits};
use std::ops::RangeInclusive;

/// Steps that a run may have.
pub const STEPS: RangeInclusive<usize> = *limits::STEPS.start() as usize..=*limits::STEPS.end() as usize;

/// What the first step starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Only noise.
    Noise,
    /// The latents of a picture, plus noise.
    Image,
}

/// Why no schedule could be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// The number of steps is out of range.
    #[error("steps is {steps}, but must be from {} to {}", STEPS.start(), STEPS.end())]
    Steps {
        /// The requested value.
        steps: usize,
    },
    /// The strength is out of range, or not a number.
    #[error("strength is {strength}, but must be from {} to {}", STRENGTH.start(), STRENGTH.end())]
    Strength {
        /// The requested value.
        strength: f64,
    },
    /// The training schedule is not valid.
    #[error("betas run from {start} to {end}, but must rise and lie between 0 and 1")]
    Betas {
        /// The first beta.
        start: f64,
        /// The last beta.
        end: f64,
    },
    /// The range of an EDM model is not valid.
    #[error("sigmas run from {} to {} with sigma_data {}, but must rise, and all must be finite and above 0",
        .0.sigma_min, .0.sigma_max, .0.sigma_data)]
    Edm(Edm),
    /// The given sigmas do not decrease to 0.
    #[error("sigma {index} is {sigma}, but sigmas must be finite, fall strictly, and be above 0 up to the last")]
    Sigma {
        /// Its index.
        index: usize,
        /// Its value.
        sigma: f32,
    },
}

/// The noise levels of a [`Schedule`].
pub trait Sigmas: Sized {
    /// The noise levels of a whole run: `steps + 1` numbers, strictly falling, the last one 0.
    ///
    /// # Errors
    /// [`ScheduleError::Steps`] outside [`STEPS`].
    fn sigmas(self, table: &ModelSigmas, steps: usize) -> Result<Vec<f32>, ScheduleError>;

    /// The noise levels of a run that redoes `strength` of a picture: the end of a longer schedule.
    ///
    /// - `leading`, `linspace` and `trailing`, by diffusers' rule: the last `int(steps * strength)` steps (at least one)
    ///   of `steps`. The run is shorter than asked for.
    /// - `lcm`, as diffusers' `LCMScheduler`: `steps` of the lowest `int(50 * strength)` training timesteps. Where these
    ///   are fewer than `steps`, of the lowest `int(1000 * strength)` timesteps, as `TCDScheduler` with
    ///   `original_inference_steps=1000`; at most as many steps as these.
    /// - All others, by ComfyUI's rule (`denoise`): the last `steps` steps of `int(steps / strength)`. The
    ///   run is as long as asked for, in smaller steps.
    ///
    /// Strength 1 is the whole schedule; strength 0 gives `[0]`, no step at all.
    ///
    /// # Errors
    /// [`ScheduleError::Steps`] outside [`STEPS`], [`ScheduleError::Strength`] outside [`STRENGTH`].
    fn truncated(self, table: &ModelSigmas, steps: usize, strength: f64) -> Result<Vec<f32>, ScheduleError>;

    /// The factor on unit noise before the first step.
    ///
    /// - `leading` and `lcm`: `sqrt(sigma^2 + 1)`, diffusers' `init_noise_sigma`; over a picture, sigma.
    /// - `linspace` and `trailing`: sigma, diffusers' `init_noise_sigma` of these.
    /// - All others, as ComfyUI: `sqrt(sigma^2 + 1)` where sigma is the table's top, else sigma.
    fn noise_scale(self, table: &ModelSigmas, first_sigma: f32, start: Start) -> f32;
}

impl Sigmas for Schedule {
    fn sigmas(self, table: &ModelSigmas, steps: usize) -> Result<Vec<f32>, ScheduleError> {
        self.truncated(table, steps, 1.0)
    }

    fn truncated(self, table: &ModelSigmas, steps: usize, strength: f64) -> Result<Vec<f32>, ScheduleError> {
        if !STEPS.contains(&steps) {
            return Err(ScheduleError::Steps { steps });
        }
        if !STRENGTH.contains(&strength) {
            return Err(ScheduleError::Strength { strength });
        }
        if strength == 0.0 {
            return Ok(vec![0.0]);
        }
        let last = |whole: usize, kept: usize| points::points(self, table, whole, whole - kept);
        let mut sigmas = match self {
            Self::Lcm => points::lcm(table, steps, strength),
            Self::Leading | Self::Linspace | Self::Trailing => {
                last(steps, ((steps as f64 * strength) as usize).clamp(1, steps))
            }
            _ => last(((steps as f64 / strength) as usize).min(LONGEST), steps),
        };
        sigmas.push(0.0);
        Ok(sigmas)
    }

    fn noise_scale(self, table: &ModelSigmas, first_sigma: f32, start: Start) -> f32 {
        let full = match self {
            Self::Leading | Self::Lcm => start == Start::Noise,
            Self::Linspace | Self::Trailing => false,
            _ => first_sigma >= table.max() * (1.0 - 1e-5),
        };
        if full { f64::from(first_sigma).hypot(1.0) as f32 } else { first_sigma }
    }
}

/// Steps of the longest schedule that is shortened. Only strengths below 0.001 would need more. There all levels are at
/// the table's lower end, and f32 could no longer distinguish neighbours.
const LONGEST: usize = 1000 * TRAINING_STEPS;

/// Checks sigmas that do not come from a [`Schedule`]: at least one, finite, strictly decreasing, and above 0 except
/// for the last, which may be 0.
///
/// # Errors
/// [`ScheduleError::Sigma`] with the first invalid one.
pub fn check_sigmas(sigmas: &[f32]) -> Result<(), ScheduleError> {
    let last = sigmas.len().saturating_sub(1);
    let mut before = f32::INFINITY;
    for (index, &sigma) in sigmas.iter().enumerate() {
        let positive = sigma > 0.0 || (index == last && sigma == 0.0);
        if !positive || sigma >= before {
            return Err(ScheduleError::Sigma { index, sigma });
        }
        before = sigma;
    }
    Ok(())
}
