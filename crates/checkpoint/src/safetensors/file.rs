//! Files: opened once, read at positions, never mapped. A mapped file that shrinks kills the process, and
//! its pages count as resident memory.

use super::Header;
use crate::error::Error;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// An open safetensors file and its header.
#[derive(Debug)]
pub(crate) struct WeightFile {
    pub path: PathBuf,
    pub bytes: u64,
    pub header: Header,
    file: File,
}

impl WeightFile {
    /// Opens and reads the header.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            // Opening a pipe would wait for its other end.
            return Err(io(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file")));
        }
        let file = File::open(path).map_err(io)?;
        let header =
            Header::read(&file).map_err(io)?.map_err(|source| Error::Header { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), bytes: metadata.len(), header, file })
    }

    /// Fills the buffer from that position.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], offset: u64, tensor: &str) -> Result<(), Error> {
        read_exact_at(&self.file, buffer, offset).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::Shrunk { path: self.path.clone(), tensor: tensor.to_owned() },
            _ => Error::Io { path: self.path.clone(), source },
        })
    }
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
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
