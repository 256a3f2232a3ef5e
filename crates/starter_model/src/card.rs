//! The model card as data.

use serde::{Deserialize, Serialize};

/// What the model draws, how it is best used, what it cannot do. Everything here is in the file `card.json`
/// beside the weights, and changes with them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What the model is called where others have a path.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// One sentence on what it is.
    pub summary: String,
    /// What a form's defaults should be while this model is loaded.
    pub recommended: Recommended,
    /// The things that it draws, one a picture.
    pub objects: Vec<String>,
    /// Those of `objects` that take one of `colours`; the others have their own.
    pub recolourable: Vec<String>,
    /// The colours that a recolourable object takes.
    pub colours: Vec<String>,
    /// The plain backgrounds.
    pub backgrounds: Vec<String>,
    /// How a prompt is worded.
    pub wording: String,
    /// Prompts to start with.
    pub example_prompts: Vec<String>,
    /// What it cannot do, a sentence each.
    pub limits: Vec<String>,
    /// Whose work the artwork, the merges and the weights are, and under which licence.
    pub licences: Vec<String>,
}

/// Settings that suit the model. Names are those of the command line and the API.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recommended {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Strength of the guidance.
    pub cfg_scale: f64,
    /// Sampling method, by ComfyUI's name.
    pub sampler: String,
    /// Noise schedule, by ComfyUI's name or `leading`.
    pub scheduler: String,
}
