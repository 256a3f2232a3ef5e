//! Example files for tests.

use protocol::{FileHashes, LibraryId, LibraryItem, LibraryKind};

/// A file of this kind and name.
pub fn item(kind: LibraryKind, name: &str) -> LibraryItem {
    LibraryItem {
        id: LibraryId("0123456789abcdef".into()),
        kind,
        name: name.into(),
        folder: "/models".into(),
        file: format!("{name}.safetensors"),
        bytes: 1_000_000,
        modified_ms: 0,
        title: None,
        author: None,
        family: None,
        base: None,
        details: None,
        memory_bytes: None,
        trigger_words: Vec::new(),
        hashes: FileHashes::default(),
        favourite: false,
        distillation: None,
        thumbnail: None,
        takes: 0,
        recommended: None,
        loaded: false,
        problem: None,
    }
}
