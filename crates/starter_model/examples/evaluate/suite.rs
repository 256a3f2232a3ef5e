//! The prompts, written by `train/export_judges.py`: pairs of object and background from training, pairs held out of
//! training, recoloured objects.

use crate::shared::Result;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// Named colours as red, green and blue from 0 to 255.
pub type Colours = BTreeMap<String, [f64; 3]>;

#[derive(Deserialize)]
pub struct Suite {
    /// Accuracy of each classifier on held-out pictures of the artwork.
    pub judges_on_artwork: BTreeMap<String, f64>,
    /// The meaning of the classifiers' outputs.
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
