//! What is known about a file across restarts.

use crate::{Facts, Hashed};
use protocol::LibraryId;
use sha2::{Digest, Sha256};
use std::path::Path;

/// What is known about a file: read once from its header, and the user's marks.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its id.
    pub id: LibraryId,
    /// The folder of the library.
    pub folder: String,
    /// Its path inside the folder.
    pub file: String,
    /// Its size when it was read.
    pub bytes: u64,
    /// Time of its last change when it was read, milliseconds since 1970.
    pub modified_ms: i64,
    /// What its header says; none if it is not read yet.
    pub facts: Option<Facts>,
    /// Its hashes; none if they are not computed yet.
    pub hashed: Option<Hashed>,
    /// A favourite of the user.
    pub favourite: bool,
    /// The user's mark: a distillation's name, or `none`.
    pub distillation: Option<String>,
    /// The user's title.
    pub title: Option<String>,
}

impl Known {
    /// Whether there is something that a user entered.
    pub fn is_marked(&self) -> bool {
        self.favourite || self.distillation.is_some() || self.title.is_some()
    }
}

/// Keeps what is known about files, and receives changes. Called from the library's threads.
pub trait Keeper: Send + Sync {
    /// Everything that is kept. An error is logged by the keeper, and all files are read again.
    fn load(&self) -> Vec<Known>;
    /// Keeps these files' facts and hashes, and the marks of those that are new. Errors are logged by the keeper.
    fn save(&self, known: Vec<Known>);
    /// The list, or the state of the library, has changed. Called often; events should be coalesced.
    fn changed(&self);
    /// Whether a generation is running: hashing then takes at most a tenth of a core.
    fn is_busy(&self) -> bool;
}

/// A file's id: the first 16 digits of the SHA-256 of its folder and its path in it.
pub(crate) fn id(folder: &Path, file: &str) -> LibraryId {
    let mut hash = Sha256::new();
    hash.update(folder.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(file.as_bytes());
    LibraryId(crate::hash::hex(&hash.finalize()[..8]))
}
