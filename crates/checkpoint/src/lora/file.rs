//! An open LoRA file.

use super::types::LoraTensor;
use crate::{
    Error,
    read::values,
    safetensors::{Tensor, WeightFile},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The first part of the names under which OneTrainer stores embeddings in a LoRA's file.
const BUNDLE: &str = "bundle_emb.";
/// Bytes hashed at a time.
const PIECE_BYTES: usize = 1 << 20;

/// A LoRA file or one of its relatives: LoCon, LoHa, LoKr, DoRA, full differences.
///
/// Opening reads the header only. The file is kept open; tensors are read at their offsets and never memory-mapped.
#[derive(Debug)]
pub struct LoraFile {
    pub(super) file: WeightFile,
}

impl LoraFile {
    /// Opens a safetensors file. [`LoraFile::plan`] says whether it is a LoRA.
    ///
    /// # Errors
    /// A file that is not safetensors or is broken.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { file: WeightFile::open(path)? })
    }

    /// Like [`LoraFile::open`], for a file in memory that error messages call `path`.
    ///
    /// # Errors
    /// The same as [`LoraFile::open`].
    pub fn in_memory(path: PathBuf, bytes: Arc<Vec<u8>>) -> Result<Self, Error> {
        Ok(Self { file: WeightFile::in_memory(path, bytes)? })
    }

    /// The path that was opened, or the name used for it in error messages.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Length of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes
    }

    /// The header's free-form `__metadata__`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.file.header.metadata
    }

    /// All tensors of the file, by offset.
    pub fn tensors(&self) -> &[Tensor] {
        &self.file.header.tensors
    }

    /// The tensors of the embeddings that OneTrainer stored in the file (`bundle_emb.<name>.clip_l`), by embedding, with
    /// their names inside it.
    pub(crate) fn bundles(&self) -> BTreeMap<&str, Vec<(&str, &Tensor)>> {
        let mut bundles: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for tensor in self.tensors() {
            let inner = tensor.name.strip_prefix(BUNDLE).and_then(|name| name.rsplit_once('.'));
            if let Some((name, local)) = inner {
                bundles.entry(name).or_default().push((local, tensor));
            }
        }
        bundles
    }

    /// The open file.
    pub(crate) fn file(&self) -> &WeightFile {
        &self.file
    }

    /// Reads a tensor's values as f32, row-major. Uses memory for the result and a few MiB more.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Shrunk`]. For a tensor of another file, an error or other data.
    pub fn read(&self, tensor: &LoraTensor) -> Result<Vec<f32>, Error> {
        values(&self.file, &tensor.name, tensor.dtype, tensor.offset, tensor.bytes)
    }

    /// SHA-256 of all bytes after the header, as 64 hexadecimal digits. The first twelve are the AutoV3 hash: a change
    /// of the metadata keeps it (kohya's `addnet_hash_safetensors`).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Shrunk`].
    pub fn auto_v3(&self) -> Result<String, Error> {
        let mut at = self.file.header_end();
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE_BYTES];
        while at < self.file.bytes {
            let length = (self.file.bytes - at).min(PIECE_BYTES as u64) as usize;
            self.file.read_exact_at(&mut piece[..length], at, "")?;
            hash.update(&piece[..length]);
            at += length as u64;
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
