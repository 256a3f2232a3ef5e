//! The zip archive around a pickle.

use crate::upscaler_error::PickleError;
use std::{fs::File, io::Read};
use zip::{ZipArchive, result::ZipError};

/// The largest tensor that is read. The largest of an ESRGAN has 442 kB.
const MAX_TENSOR_BYTES: u64 = 256 << 20;
/// The most files in an archive: one for each storage. An ESRGAN has 708.
const MAX_FILES: usize = 20_000;

/// An open archive.
pub(super) struct Archive {
    zip: ZipArchive<File>,
    /// The folder of all files: `archive/`, or the file's name when it was saved.
    root: String,
}

impl Archive {
    pub(super) fn open(mut file: File) -> Result<Self, PickleError> {
        let mut start = Vec::new();
        let read = file.by_ref().take(4).read_to_end(&mut start);
        read.map_err(|error| PickleError::Zip { reason: error.to_string() })?;
        match start[..] {
            [b'P', b'K', 3, 4] => {}
            [0x80, ..] => return Err(PickleError::Old),
            _ => return Err(PickleError::NotZip),
        }
        let zip = ZipArchive::new(file).map_err(damaged)?;
        if zip.len() > MAX_FILES {
            return Err(PickleError::Limit { what: "number of files", limit: MAX_FILES as u64 });
        }
        let pickle = zip.file_names().find_map(|name| name.strip_suffix("data.pkl")).map(str::to_owned);
        let root = pickle.ok_or(PickleError::Zip { reason: "it has no data.pkl".to_owned() })?;
        let mut archive = Self { zip, root };
        match archive.order()?.as_deref() {
            None | Some("little") => Ok(archive),
            Some(_) => Err(PickleError::Broken { reason: "its numbers are not little-endian" }),
        }
    }

    /// What `byteorder` says; older files do not have it.
    fn order(&mut self) -> Result<Option<String>, PickleError> {
        let name = format!("{}byteorder", self.root);
        if self.zip.index_for_name(&name).is_none() {
            return Ok(None);
        }
        let bytes = self.read(&name, 16, "byteorder")?;
        Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    pub(super) fn pickle(&mut self, limit: u64) -> Result<Vec<u8>, PickleError> {
        self.read(&format!("{}data.pkl", self.root), limit, "pickle")
    }

    /// `length` bytes of a storage, from `from`.
    pub(super) fn storage(&mut self, key: &str, from: u64, length: u64, tensor: &str) -> Result<Vec<u8>, PickleError> {
        if length > MAX_TENSOR_BYTES || from > MAX_TENSOR_BYTES {
            return Err(PickleError::Limit { what: "tensor", limit: MAX_TENSOR_BYTES });
        }
        let mut bytes = self.read(&format!("{}data/{key}", self.root), from + length, "storage")?;
        if (bytes.len() as u64) < from + length {
            return Err(PickleError::Tensor { name: tensor.to_owned(), reason: "is cut short" });
        }
        Ok(bytes.split_off(from as usize))
    }

    /// At most `limit` bytes of a file of the archive. A storage may be longer, the pickle may not.
    fn read(&mut self, name: &str, limit: u64, what: &'static str) -> Result<Vec<u8>, PickleError> {
        let file = self.zip.by_name(name).map_err(damaged)?;
        if what == "pickle" && file.size() > limit {
            return Err(PickleError::Limit { what, limit });
        }
        let mut bytes = Vec::new();
        let read = file.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| PickleError::Zip { reason: error.to_string() })?;
        Ok(bytes)
    }
}

fn damaged(error: ZipError) -> PickleError {
    PickleError::Zip { reason: error.to_string() }
}
