//! Models that a person can choose from.

use serde::{Deserialize, Serialize};

/// A model that the server offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Model {
    /// Its name: a file's or folder's without its path, or `starter`.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it draws best at.
    pub recommended: Recommended,
    /// Whether it has a TAESD for previews.
    pub has_taesd: bool,
    /// Prompts that show what it can do; may be empty.
    pub examples: Vec<String>,
    /// Whether it is loaded.
    pub loaded: bool,
}

/// Settings that a model draws best at: the form's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Recommended {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Strength of the guidance.
    pub cfg_scale: f64,
    /// Sampling method.
    pub sampler: String,
    /// Noise schedule.
    pub scheduler: String,
}
