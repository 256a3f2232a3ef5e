//! Noise schedules.

use crate::names::named;

named! {
    /// Noise schedule: the noise levels that a run uses. Names and formulas are ComfyUI's, except for the last four.
    /// Three are diffusers' values of `timestep_spacing`, as defined by `EulerDiscreteScheduler` and most of its other
    /// schedulers; `lcm` is named after its `LCMScheduler`. Implemented in the crate `diffusion`.
    Schedule, "schedule":
    /// Evenly spaced timesteps from the table's highest to its lowest.
    Normal = "normal",
    /// Karras et al. 2022: evenly spaced in `sigma^(1/7)`.
    Karras = "karras",
    /// Evenly spaced in log sigma.
    Exponential = "exponential",
    /// Like `normal` with one more point, without the last one.
    SgmUniform = "sgm_uniform",
    /// Every nth entry of the table, from the highest.
    Simple = "simple",
    /// Every nth entry of the table, from the second.
    DdimUniform = "ddim_uniform",
    /// Quantiles of Beta(0.6, 0.6): dense at both ends.
    Beta = "beta",
    /// diffusers' default for SDXL: multiples of `1000 // steps`, plus the model's `steps_offset`.
    Leading = "leading",
    /// diffusers' `linspace`: evenly spaced timesteps from the table's highest to its lowest, with interpolated sigma
    /// (`normal` interpolates log sigma). For one step, NumPy's linspace returns its start, the table's lowest
    /// timestep.
    Linspace = "linspace",
    /// diffusers' `trailing`: every `1000 / steps` timesteps from the table's highest, rounded. Models distilled to a
    /// few steps or trained with zero terminal SNR need it, because the first step must be at pure noise.
    Trailing = "trailing",
    /// The timesteps of diffusers' `LCMScheduler` and `TCDScheduler`: a choice from the 50 with which LCM and TCD models
    /// are distilled. 999, 759, 499 and 259 for 4 steps. More steps than 50 are chosen from all 1000 timesteps.
    Lcm = "lcm",
}

impl Schedule {
    /// A1111's name of the schedule type in its `parameters` text; `None` if A1111 does not have the schedule.
    pub fn a1111_name(self) -> Option<&'static str> {
        Some(match self {
            Self::Normal => "Normal",
            Self::Karras => "Karras",
            Self::Exponential => "Exponential",
            Self::SgmUniform => "SGM Uniform",
            Self::Simple => "Simple",
            Self::DdimUniform => "DDIM",
            Self::Beta => "Beta",
            Self::Leading | Self::Linspace | Self::Trailing | Self::Lcm => return None,
        })
    }
}
