//! What a file's header says, kept in the database so that it is read once.

use protocol::{LibraryKind, Recommended};
use serde::{Deserialize, Serialize};

/// Increased when [`Facts`] change: files are then read again.
pub(crate) const VERSION: u32 = 3;

/// What a file's header says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub(crate) version: u32,
    /// What it is for, by its contents, otherwise by its folder.
    pub kind: LibraryKind,
    /// Title from its metadata.
    #[serde(default)]
    pub title: Option<String>,
    /// Author from its metadata.
    #[serde(default)]
    pub author: Option<String>,
    /// Family of models.
    #[serde(default)]
    pub family: Option<String>,
    /// The model that it was trained on.
    #[serde(default)]
    pub base: Option<String>,
    /// A LoRA's method and rank, an embedding's number of vectors, an upscaler's network and factor.
    #[serde(default)]
    pub details: Option<String>,
    /// Words for the prompt, the most frequent first.
    #[serde(default)]
    pub trigger_words: Vec<String>,
    /// The name that its trainer gave it (`ss_output_name`).
    #[serde(default)]
    pub alias: Option<String>,
    /// The distillation that its name or metadata tells.
    #[serde(default)]
    pub distillation: Option<String>,
    /// Set for a usable checkpoint.
    #[serde(default)]
    pub checkpoint: Option<CheckpointFacts>,
    /// Why it cannot be used.
    #[serde(default)]
    pub problem: Option<String>,
}

/// What a checkpoint's headers say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointFacts {
    /// Family, such as `sdxl` or `sdxl v-prediction`.
    pub family: String,
    /// Its recommended settings.
    pub recommended: Recommended,
    /// Requests of the checkpoint that are not followed exactly, for users.
    pub notes: Vec<String>,
    /// Whether it has a TAESD.
    pub has_taesd: bool,
    /// Memory of a picture of its own size, bytes.
    pub memory_bytes: Option<u64>,
}

impl Facts {
    pub(crate) fn new(kind: LibraryKind) -> Self {
        Self {
            version: VERSION,
            kind,
            title: None,
            author: None,
            family: None,
            base: None,
            details: None,
            trigger_words: Vec::new(),
            alias: None,
            distillation: None,
            checkpoint: None,
            problem: None,
        }
    }

    /// The facts as text, for the database.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Facts of the current version; none for text of another version, or that cannot be parsed.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|facts: &Self| facts.version == VERSION)
    }
}
