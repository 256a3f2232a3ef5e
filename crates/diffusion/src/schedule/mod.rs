//! Sigma schedules: the noise levels of a run.

mod beta_quantile;
mod points;
mod table;

pub use table::{Betas, ModelSigmas, TRAINING_STEPS};

use crate::names::named;
use std::ops::RangeInclusive;

/// How many steps a run may have.
pub const STEPS: RangeInclusive<usize> = 1..=TRAINING_STEPS;
/// How much of an initial picture may be redone.
pub const STRENGTH: RangeInclusive<f64> = 0.0..=1.0;

named! {
    /// Which noise levels a run visits. Names and formulas are ComfyUI's, except for the last three: diffusers' values of
    /// `timestep_spacing`, as `EulerDiscreteScheduler` and most of its other schedulers define them.
    Schedule, "schedule":
    /// Evenly spaced timesteps from the table's top to its bottom.
    Normal = "normal",
    /// Karras et al. 2022: evenly spaced in `sigma^(1/7)`.
    Karras = "karras",
    /// Evenly spaced in log sigma.
    Exponential = "exponential",
    /// As `normal` with one more point, the last of which is dropped.
    SgmUniform = "sgm_uniform",
    /// Every nth place of the table, from the top.
    Simple = "simple",
    /// Every nth place of the table, from the second.
    DdimUniform = "ddim_uniform",
    /// Quantiles of Beta(0.6, 0.6): dense at both ends.
    Beta = "beta",
    /// diffusers' default for SDXL: multiples of `1000 // steps`, plus the model's `steps_offset`.
    Leading = "leading",
    /// diffusers' `linspace`: evenly spaced timesteps from the table's top to its bottom, sigma interpolated between them
    /// (`normal` interpolates its logarithm). With one step NumPy's linspace is its first end, the table's bottom.
    Linspace = "linspace",
    /// diffusers' `trailing`: from the table's top, every `1000 / steps` timesteps, rounded. Models that were distilled to a
    /// few steps, or trained to zero terminal SNR, need it: the first step is at pure noise.
    Trailing = "trailing",
}

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
    /// The given sigmas do not decrease to 0.
    #[error("sigma {index} is {sigma}, but sigmas must be finite, fall strictly, and be above 0 up to the last")]
    Sigma {
        /// Its index.
        index: usize,
        /// Its value.
        sigma: f32,
    },
}

impl Schedule {
    /// The noise levels of a whole run: `steps + 1` numbers, strictly falling, the last one 0.
    ///
    /// # Errors
    /// [`ScheduleError::Steps`] outside [`STEPS`].
    pub fn sigmas(self, table: &ModelSigmas, steps: usize) -> Result<Vec<f32>, ScheduleError> {
        self.truncated(table, steps, 1.0)
    }

    /// The noise levels of a run that redoes `strength` of a picture: the end of a longer schedule.
    ///
    /// - `leading`, `linspace` and `trailing`, by diffusers' rule: the last `int(steps * strength)` steps (at least one)
    ///   of `steps`. The run is shorter than asked for.
    /// - All others, by ComfyUI's rule (`denoise`): the last `steps` steps of `int(steps / strength)`. The
    ///   run is as long as asked for, in smaller steps.
    ///
    /// Strength 1 is the whole schedule; strength 0 gives `[0]`, no step at all.
    ///
    /// # Errors
    /// [`ScheduleError::Steps`] outside [`STEPS`], [`ScheduleError::Strength`] outside [`STRENGTH`].
    pub fn truncated(self, table: &ModelSigmas, steps: usize, strength: f64) -> Result<Vec<f32>, ScheduleError> {
        if !STEPS.contains(&steps) {
            return Err(ScheduleError::Steps { steps });
        }
        if !STRENGTH.contains(&strength) {
            return Err(ScheduleError::Strength { strength });
        }
        if strength == 0.0 {
            return Ok(vec![0.0]);
        }
        let (whole, kept) = match self {
            Self::Leading | Self::Linspace | Self::Trailing => {
                (steps, ((steps as f64 * strength) as usize).clamp(1, steps))
            }
            _ => (((steps as f64 / strength) as usize).min(LONGEST), steps),
        };
        let mut sigmas = points::points(self, table, whole, whole - kept);
        sigmas.push(0.0);
        Ok(sigmas)
    }

    /// The factor on unit noise before the first step.
    ///
    /// - `leading`: `sqrt(sigma^2 + 1)`, diffusers' `init_noise_sigma`; over a picture, sigma.
    /// - `linspace` and `trailing`: sigma, diffusers' `init_noise_sigma` of these.
    /// - All others, as ComfyUI: `sqrt(sigma^2 + 1)` where sigma is the table's top, else sigma.
    pub fn noise_scale(self, table: &ModelSigmas, first_sigma: f32, start: Start) -> f32 {
        let full = match self {
            Self::Leading => start == Start::Noise,
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
