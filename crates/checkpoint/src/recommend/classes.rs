//! diffusers' scheduler classes: the corresponding sampler, the meaning of their spacings, and their defaults.

/// How a class interprets `timestep_spacing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grid {
    /// As many timesteps as steps, possibly fractional. Karras and other sigmas run between the first and the last of
    /// them.
    Points,
    /// One more timestep, rounded, without the last. Karras and other sigmas cover the whole table.
    Multistep,
    /// As many timesteps as steps, rounded.
    Whole,
    /// Evenly spaced places in the 50 timesteps that the model was distilled with.
    Distilled,
    /// EDM: over sigmas, spaced by `sigma_schedule`.
    Continuous,
}

/// A scheduler class.
pub(super) struct Class {
    pub name: &'static str,
    /// The corresponding sampler, if there is one.
    pub sampler: Option<&'static str>,
    pub grid: Grid,
    /// Whether it supports `use_karras_sigmas` and similar keys.
    pub converts_sigmas: bool,
}

const fn class(name: &'static str, sampler: Option<&'static str>, grid: Grid, converts_sigmas: bool) -> Class {
    Class { name, sampler, grid, converts_sigmas }
}

/// The classes that can sample SDXL. Samplers are assigned as in diffusers' own table (its documentation,
/// "Schedulers").
const CLASSES: [Class; 18] = [
    class("EulerDiscreteScheduler", Some("euler"), Grid::Points, true),
    class("EulerAncestralDiscreteScheduler", Some("euler_ancestral"), Grid::Points, false),
    class("HeunDiscreteScheduler", Some("heun"), Grid::Points, true),
    class("KDPM2DiscreteScheduler", Some("dpm_2"), Grid::Points, true),
    class("KDPM2AncestralDiscreteScheduler", Some("dpm_2_ancestral"), Grid::Points, true),
    class("LMSDiscreteScheduler", Some("lms"), Grid::Points, true),
    class("DPMSolverSDEScheduler", Some("dpmpp_sde"), Grid::Points, true),
    class("DPMSolverMultistepScheduler", Some("dpmpp_2m"), Grid::Multistep, true),
    class("UniPCMultistepScheduler", Some("uni_pc"), Grid::Multistep, true),
    class("DPMSolverSinglestepScheduler", None, Grid::Multistep, true),
    class("DEISMultistepScheduler", None, Grid::Multistep, true),
    class("DDIMScheduler", Some("ddim"), Grid::Whole, false),
    class("DDPMScheduler", Some("ddpm"), Grid::Whole, false),
    class("PNDMScheduler", None, Grid::Whole, false),
    class("LCMScheduler", Some("lcm"), Grid::Distilled, false),
    class("EDMEulerScheduler", Some("euler"), Grid::Continuous, false),
    class("EDMDPMSolverMultistepScheduler", Some("dpmpp_2m"), Grid::Continuous, false),
    class("TCDScheduler", Some("tcd"), Grid::Distilled, false),
];

impl Class {
    /// Finds a class by the name in `_class_name`; Flax classes are treated the same.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        let name = name.strip_prefix("Flax").unwrap_or(name);
        CLASSES.iter().find(|class| class.name == name)
    }
}
