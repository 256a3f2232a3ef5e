//! Where a checkpoint's files are: on disk or in memory, behind one interface.

use crate::{
    error::{Error, FolderError},
    safetensors::WeightFile,
};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Configs of known models are far smaller; weight_map indexes of large models reach 1 MB.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// A diffusers folder whose files are in memory, for example a model that is part of a program.
///
/// Clones share the bytes.
#[derive(Clone, Debug)]
pub struct MemoryFolder {
    name: PathBuf,
    files: BTreeMap<String, Arc<Vec<u8>>>,
}

impl MemoryFolder {
    /// Creates a folder from files and their paths inside the folder, with `/` as separator: `unet/config.json`. Error
    /// messages call the folder `name`.
    pub fn new(name: impl Into<PathBuf>, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let files = files.into_iter().map(|(file, bytes)| (file, Arc::new(bytes)));
        Self { name: name.into(), files: files.collect() }
    }
}

/// The file or folder that is opened.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On disk.
    Disk(PathBuf),
    /// In memory; always a folder.
    Memory(MemoryFolder),
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::Disk(path.to_owned())
    }
}

impl Place {
    /// Its path, or the name used for it in error messages.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Disk(path) => path,
            Self::Memory(folder) => &folder.name,
        }
    }

    /// Whether it is a folder.
    pub(crate) fn is_folder(&self) -> Result<bool, Error> {
        match self {
            Self::Disk(path) => match std::fs::metadata(path) {
                Ok(metadata) => Ok(metadata.is_dir()),
                Err(source) => Err(Error::Io { path: path.clone(), source }),
            },
            Self::Memory(_) => Ok(true),
        }
    }

    /// Whether the folder has this file.
    pub(crate) fn has(&self, file: &str) -> bool {
        match self {
            Self::Disk(path) => path.join(file).exists(),
            Self::Memory(folder) => folder.files.contains_key(file),
        }
    }

    /// Opens one of the folder's weight files.
    pub(crate) fn weights(&self, file: &str) -> Result<WeightFile, Error> {
        let path = self.path().join(file);
        match self {
            Self::Disk(_) => WeightFile::open(&path),
            Self::Memory(folder) => match folder.files.get(file) {
                Some(bytes) => WeightFile::in_memory(path, Arc::clone(bytes)),
                None => Err(self.no_file(file)),
            },
        }
    }

    /// Reads one of the folder's small files as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, file: &str) -> Result<T, Error> {
        let bad = |message: String| Error::Json { path: self.path().join(file), message };
        let from_disk;
        let text: &[u8] = match self {
            Self::Disk(path) => {
                from_disk = read_small(&path.join(file))?;
                &from_disk
            }
            Self::Memory(folder) => folder.files.get(file).ok_or_else(|| self.no_file(file))?,
        };
        if text.len() as u64 > MAX_JSON_BYTES {
            return Err(bad(format!("is longer than {MAX_JSON_BYTES} bytes")));
        }
        let read = serde_json::from_slice(text).or_else(|error| match with_nulls(text) {
            Some(text) => serde_json::from_slice(&text),
            None => Err(error),
        });
        read.map_err(|error| bad(crate::safetensors::one_line(&error.to_string())))
    }

    /// The error that this file is missing.
    pub(crate) fn no_file(&self, file: &str) -> Error {
        Error::Folder { path: self.path().to_owned(), reason: FolderError::NoFile { file: file.to_owned() } }
    }
}

/// Replaces `-Infinity`, `Infinity` and `NaN` by null. They are not JSON, but Python writes and reads them: every
/// DPMSolverMultistepScheduler saved by diffusers has `"lambda_min_clipped": -Infinity`. Returns `None` if there are
/// none.
fn with_nulls(text: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let (mut out, mut at, mut in_text, mut found) = (Vec::with_capacity(text.len()), 0, false, false);
    while let Some(&byte) = text.get(at) {
        let word = WORDS.iter().find(|word| !in_text && text[at..].starts_with(word));
        match (byte, word) {
            (_, Some(word)) => {
                out.extend_from_slice(b"null");
                found = true;
                at += word.len();
                continue;
            }
            (b'\\', _) if in_text => {
                out.push(byte);
                out.extend(text.get(at + 1));
                at += 2;
                continue;
            }
            (b'"', _) => in_text = !in_text,
            _ => {}
        }
        out.push(byte);
        at += 1;
    }
    found.then_some(out)
}

/// Reads at most one byte more than [`MAX_JSON_BYTES`].
fn read_small(path: &Path) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        // Opening a named pipe would block.
        return Err(Error::Json { path: path.to_owned(), message: "is not a regular file".into() });
    }
    let mut text = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(MAX_JSON_BYTES + 1).read_to_end(&mut text).map_err(io)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_for_numbers_beyond_json_becomes_null() {
        let text = br#"{"a": -Infinity, "NaN \" Infinity": [NaN, Infinity, 1], "b\\": "NaN"}"#;
        let nulled = with_nulls(text).expect("there are some");
        let value: serde_json::Value = serde_json::from_slice(&nulled).expect("JSON");
        let expected = serde_json::json!({"a": null, "NaN \" Infinity": [null, null, 1], "b\\": "NaN"});
        assert_eq!(value, expected);
        for text in [&b"{\"a\": \"-Infinity\"}"[..], b"", b"\"\\", b"[1e999]"] {
            assert_eq!(with_nulls(text), None);
        }
    }
}
