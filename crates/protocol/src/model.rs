//! Models that a user can select.

use generation::Recommended;
use serde::{Deserialize, Serialize};

/// A model that the server offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Model {
    /// Its name: a file or folder name without the path, or `starter`. For one of several models in a folder it is the
    /// path inside that folder, for example `sub/name`.
    pub name: String,
    /// The name shown to users.
    pub title: String,
    /// Its recommended settings: from its checkpoint, otherwise SDXL's own. They are the defaults of a generation's
    /// absent fields.
    pub recommended: Recommended,
    /// Whether it has a TAESD for previews.
    pub has_taesd: bool,
    /// Example prompts; may be empty.
    pub examples: Vec<String>,
    /// Whether it is loaded.
    pub loaded: bool,
    /// Requests of its checkpoint that are not followed exactly, one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Set only in the first model of the list, the default: other entries in the folder of `--model` that cannot be
    /// selected. It is empty in the others, so every entry of the list can be selected.
    #[serde(default)]
    pub refused: Vec<RefusedModel>,
    /// Names of the servers and workers that have it, where several share a database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<String>,
}

/// A file or folder next to the models that cannot be selected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RefusedModel {
    /// Its path inside the folder of `--model`.
    pub name: String,
    /// The reason, in one line for users.
    pub reason: String,
}
