//! Models that a person can choose from.

use serde::{Deserialize, Serialize};

/// A model that the server offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Model {
    /// Its name: a file's or folder's without its path (of several models in one folder: its path inside that folder,
    /// `sub/name`), or `starter`.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it draws best at: what its checkpoint says, else SDXL's own. A generation that leaves these out gets them.
    pub recommended: Recommended,
    /// Whether it has a TAESD for previews.
    pub has_taesd: bool,
    /// Prompts that show what it can do; may be empty.
    pub examples: Vec<String>,
    /// Whether it is loaded.
    pub loaded: bool,
    /// What its checkpoint asks for and does not get as it asks, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// With the first model of the list, the default: what else is in the folder of `--model` and cannot be chosen. Empty
    /// with the others, so that every entry of the list can be chosen.
    #[serde(default)]
    pub refused: Vec<RefusedModel>,
}

/// A file or folder beside the models that is none that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RefusedModel {
    /// Its path inside the folder of `--model`.
    pub name: String,
    /// Why, in a line for people.
    pub reason: String,
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
