//! A picture that is open for reading.

use std::{
    fmt,
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    sync::Arc,
};

/// How far the picture of a preview is formed. Later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Formed {
    /// The attempt; 0 before the first.
    pub attempt: u32,
    /// Steps that were done.
    pub step: u32,
}

impl fmt::Display for Formed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.attempt, self.step)
    }
}

/// An open picture with the strong ETag of its bytes.
#[derive(Debug)]
pub struct OpenPicture {
    /// Open for reading, at the start.
    pub bytes: PictureBytes,
    /// Length in bytes.
    pub length: u64,
    /// Hash of the bytes, 32 hexadecimal digits.
    pub etag: String,
    /// How far it is formed. None of a final picture, and of a preview that an earlier process wrote.
    pub formed: Option<Formed>,
}

/// The bytes of a picture. They do not change while they are read.
#[derive(Debug)]
pub enum PictureBytes {
    /// In a file, which stays the same if another one gets its name.
    File(File),
    /// In memory.
    Memory(Cursor<Arc<[u8]>>),
}

impl OpenPicture {
    pub(crate) fn of_file(file: File, length: u64, etag: String, formed: Option<Formed>) -> Self {
        Self { bytes: PictureBytes::File(file), length, etag, formed }
    }

    pub(crate) fn in_memory(png: Arc<[u8]>, etag: String, formed: Formed) -> Self {
        let length = png.len() as u64;
        Self { bytes: PictureBytes::Memory(Cursor::new(png)), length, etag, formed: Some(formed) }
    }
}

impl Read for PictureBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }

    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_to_end(buffer),
            Self::Memory(bytes) => bytes.read_to_end(buffer),
        }
    }
}

impl Seek for PictureBytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Memory(bytes) => bytes.seek(to),
        }
    }
}
