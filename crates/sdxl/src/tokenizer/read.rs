//! Reading a tokenizer's files.

use crate::TokenizerError;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Limit for one file in bytes. CLIP's largest file has 2.2 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Parses a JSON file.
pub(super) fn json<T: DeserializeOwned>(path: &Path) -> Result<T, TokenizerError> {
    serde_json::from_slice(&bytes(path)?).map_err(|e| file_error(path, e))
}

pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let metadata = std::fs::metadata(path).map_err(|e| file_error(path, e))?;
    if !metadata.is_file() {
        // Opening a named pipe would block.
        return Err(file_error(path, "is not a regular file"));
    }
    let size = metadata.len();
    if size > MAX_FILE_BYTES {
        return Err(file_error(path, format!("{size} bytes; a tokenizer has at most {MAX_FILE_BYTES}")));
    }
    std::fs::read(path).map_err(|e| file_error(path, e))
}

/// The error for this file.
pub(super) fn file_error(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TokenizerError {
    TokenizerError::File { path: path.to_owned(), source: source.into() }
}
