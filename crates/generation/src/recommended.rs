//! Default values of parameters.

use crate::{Sampler, Schedule};
use serde::{Deserialize, Serialize};

/// Share of an initial picture that is redrawn if a request does not specify it.
pub const DEFAULT_STRENGTH: f64 = 0.6;

/// Whether a guidance scale means guidance. As in diffusers only scales above 1 do: with 1 the formula returns the positive
/// prediction, and model cards of distilled models write 0 for "off". Without guidance the UNet runs once per step, for
/// the positive prompt.
pub fn is_guided(cfg_scale: f64) -> bool {
    cfg_scale > 1.0
}

/// Recommended settings of a model: the defaults of a generation with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Recommended {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Guidance scale.
    pub cfg_scale: f64,
    /// Share of the guided prediction's contrast that is removed.
    #[serde(default)]
    pub cfg_rescale: f64,
    /// Sampling method.
    pub sampler: Sampler,
    /// Noise schedule.
    pub scheduler: Schedule,
}

impl Default for Recommended {
    /// diffusers' defaults for SDXL, with 30 steps.
    fn default() -> Self {
        Self {
            width: 1024,
            height: 1024,
            steps: 30,
            cfg_scale: 5.0,
            cfg_rescale: 0.0,
            sampler: Sampler::Euler,
            scheduler: Schedule::Leading,
        }
    }
}
