//! Defaults of diffusers' scheduler classes.

use super::TimestepSpacing;

/// The defaults of a class for absent keys. The betas' defaults differ from SDXL's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Defaults {
    pub beta_start: f64,
    pub beta_end: f64,
    pub scaled_linear: bool,
    pub timestep_spacing: TimestepSpacing,
}

impl Defaults {
    /// By class name; an unknown class gets the most common defaults.
    pub(crate) fn of(class: &str) -> Self {
        let starts = |starts: &[&str]| starts.iter().any(|start| class.starts_with(start));
        let distilled = starts(&["LCM", "TCD"]);
        let narrow = distilled || starts(&["Heun", "KDPM2", "DPMSolverSDE"]);
        let (beta_start, beta_end) = if narrow { (0.000_85, 0.012) } else { (0.0001, 0.02) };
        let leading = distilled || starts(&["DDIM", "DDPM", "PNDM"]);
        let timestep_spacing = if leading { TimestepSpacing::Leading } else { TimestepSpacing::Linspace };
        Self { beta_start, beta_end, scaled_linear: distilled, timestep_spacing }
    }
}
