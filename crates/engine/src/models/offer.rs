//! An available model.

use checkpoint::Checkpoint;
use protocol::{LibraryId, Recommended};
use std::{error::Error, fmt};

/// Opens a checkpoint. Called for each load, because the file may have been replaced.
type Open = Box<dyn Fn() -> Result<Checkpoint, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// An available model.
pub struct Offer {
    /// Name, as stored in tasks.
    pub name: String,
    /// Title for users.
    pub title: String,
    /// Recommended settings.
    pub recommended: Recommended,
    /// Requests of its checkpoint that are not followed, for users.
    pub notes: Vec<String>,
    /// Whether it has a TAESD.
    pub has_taesd: bool,
    /// Example prompts.
    pub examples: Vec<String>,
    /// The file of the library that it is; none for a model of `--model`.
    pub library_id: Option<LibraryId>,
    /// Changes when its file is replaced: a loaded model of another version is loaded again.
    pub version: String,
    /// Opens the checkpoint. An I/O error among the causes of its error decides whether loading is retried.
    pub open: Open,
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("name", &self.name).finish_non_exhaustive()
    }
}
