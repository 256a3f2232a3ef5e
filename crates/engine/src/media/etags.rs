//! ETags of pictures, cached by file.

use super::Formed;
use std::{
    collections::HashMap,
    fs::Metadata,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// Number of cached ETags; others are computed from the bytes.
const CACHED: usize = 4096;

/// Distinguishes a file from one that replaced it at the same path. An inode number is reused only after the old file is
/// closed everywhere, so comparing an open file is reliable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileIdentity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { inode, length: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// What is known of a file's picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) etag: String,
    /// How far it is formed, of a preview that this process has written.
    pub(super) formed: Option<Formed>,
}

/// A cache of ETags by key.
#[derive(Debug, Default)]
pub(super) struct Etags(Mutex<HashMap<String, (FileIdentity, Tag)>>);

impl Etags {
    /// The ETag of this file, if it is cached.
    pub(super) fn get(&self, key: &str, identity: &FileIdentity) -> Option<Tag> {
        self.lock().get(key).filter(|(of, _)| of == identity).map(|(_, tag)| tag.clone())
    }

    pub(super) fn insert(&self, key: &str, identity: FileIdentity, tag: Tag) {
        let mut etags = self.lock();
        if etags.len() >= CACHED {
            etags.clear();
        }
        etags.insert(key.to_owned(), (identity, tag));
    }

    pub(super) fn remove(&self, key: &str) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (FileIdentity, Tag)>> {
        // A lost entry costs one hash of a file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
