//! The prompts, as `train/export_judges.py` wrote them: trained pairs of object and background, pairs that were
//! held out of training, recoloured objects.

use crate::shared::Result;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// Names of colours, each with its 256 levels of red, green and blue.
pub type Colours = BTreeMap<String, [f64; 3]>;

#[derive(Deserialize)]
pub struct Suite {
    /// How often each judge is right about held-out pictures of the artwork itself.
    pub judges_on_artwork: BTreeMap<String, f64>,
    /// What the judges' outputs mean.
    pub classes: Vec<String>,
    pub backgrounds: Colours,
    pub object_colours: Colours,
    pub prompts: Vec<Asked>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Asked {
    pub split: Split,
    pub prompt: String,
    pub object: String,
    pub colour: Option<String>,
    pub background: String,
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Trained,
    HeldOut,
    Recolour,
}

impl Suite {
    pub fn read(path: &Path) -> Result<Self> {
        Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
    }
}
