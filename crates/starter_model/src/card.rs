//! The model card as data.

use generation::Recommended;
use serde::{Deserialize, Serialize};

/// What the model draws, its recommended settings and its limits. All of this comes from the file `card.json` beside
/// the weights, and changes with them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The model's name, used instead of a path.
    pub name: String,
    /// The title shown to users.
    pub title: String,
    /// One sentence that describes it.
    pub summary: String,
    /// The form's defaults while this model is selected.
    pub recommended: Recommended,
    /// The objects that it draws, one per picture.
    pub objects: Vec<String>,
    /// The objects that accept one of `colours`; the others have their own colours.
    pub recolourable: Vec<String>,
    /// The colours of recolourable objects.
    pub colours: Vec<String>,
    /// The plain backgrounds.
    pub backgrounds: Vec<String>,
    /// The wording of prompts.
    pub wording: String,
    /// Example prompts.
    pub example_prompts: Vec<String>,
    /// What it cannot do, one sentence each.
    pub limits: Vec<String>,
    /// Authors and licences of the artwork, the merges and the weights.
    pub licences: Vec<String>,
}
