//! Files are opened once and read at positions, never memory-mapped: truncating a mapped file kills the process, and
//! its pages count as resident memory. Files in memory use the same interface.

use super::Header;
use crate::error::Error;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// An open safetensors or GGUF file and its header.
#[derive(Debug)]
pub(crate) struct WeightFile {
    pub path: PathBuf,
    pub bytes: u64,
    pub header: Header,
    content: Content,
}

/// Bytes that can be read at a position.
#[derive(Debug)]
pub(super) enum Content {
    /// An open file.
    File(File),
    /// A file in memory.
    Memory(Arc<Vec<u8>>),
}

impl WeightFile {
    /// Opens a file and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            // Opening a named pipe would block.
            return Err(io(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file")));
        }
        Self::read_header(path.to_owned(), Content::File(File::open(path).map_err(io)?))
    }

    /// Like [`WeightFile::open`], for a file in memory that error messages call `path`.
    pub(crate) fn in_memory(path: PathBuf, bytes: Arc<Vec<u8>>) -> Result<Self, Error> {
        Self::read_header(path, Content::Memory(bytes))
    }

    fn read_header(path: PathBuf, content: Content) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.clone(), source };
        let bytes = content.bytes().map_err(io)?;
        match Header::read(&content, bytes).map_err(io)? {
            Ok(header) => Ok(Self { path, bytes, header, content }),
            Err(source) => Err(Error::Header { path, source }),
        }
    }

    /// The position behind the header, where the tensors begin.
    pub(crate) fn header_end(&self) -> u64 {
        self.header.tensors.first().map_or(self.bytes, |tensor| tensor.offset)
    }

    /// Fills the buffer from `offset`.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], offset: u64, tensor: &str) -> Result<(), Error> {
        self.content.read_exact_at(buffer, offset).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::Shrunk { path: self.path.clone(), tensor: tensor.to_owned() },
            _ => Error::Io { path: self.path.clone(), source },
        })
    }
}

impl Content {
    /// Length in bytes.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Fills the buffer from `offset`.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => read_exact_at(file, buffer, offset),
            Self::Memory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
                let piece = rest.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
                buffer.copy_from_slice(piece);
                Ok(())
            }
        }
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
