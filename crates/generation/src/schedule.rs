//! Noise schedules.

use crate::names::named;

named! {
    /// Which noise levels a run visits. Names and formulas are ComfyUI's, except for the last three: diffusers' values of
    /// `timestep_spacing`, as `EulerDiscreteScheduler` and most of its other schedulers define them. The crate `diffusion`
    /// implements them.
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

impl Schedule {
    /// A1111's name of the schedule type in its `parameters` text; none where A1111 does not have the schedule.
    pub fn a1111_name(self) -> Option<&'static str> {
        Some(match self {
            Self::Normal => "Normal",
            Self::Karras => "Karras",
            Self::Exponential => "Exponential",
            Self::SgmUniform => "SGM Uniform",
            Self::Simple => "Simple",
            Self::DdimUniform => "DDIM",
            Self::Beta => "Beta",
            Self::Leading | Self::Linspace | Self::Trailing => return None,
        })
    }
}
