//! Reads a header forwards, through a buffer, from a file of any length.

use crate::error::HeaderError;
use std::io;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 1 << 16;

/// Fills a buffer from a position of the file.
pub(crate) type ReadAt<'r> = &'r mut dyn FnMut(&mut [u8], u64) -> io::Result<()>;

/// Why a header cannot be read.
pub(super) enum Fail {
    Io(io::Error),
    Header(HeaderError),
}

impl From<HeaderError> for Fail {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

/// A broken header.
pub(super) fn broken(message: impl Into<String>) -> Fail {
    HeaderError::Gguf { message: message.into() }.into()
}

/// A position in a file.
pub(super) struct Cursor<'r> {
    read: ReadAt<'r>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are used.
    at: usize,
    /// The position in the file of the buffer's end.
    next: u64,
    /// Where the header must have ended.
    end: u64,
}

impl<'r> Cursor<'r> {
    /// The start of a file of this length, or of as much of it as a header can have.
    pub(super) fn new(read: ReadAt<'r>, end: u64) -> Self {
        Self { read, buffer: Vec::new(), at: 0, next: 0, end }
    }

    /// The position in the file.
    pub(super) fn position(&self) -> u64 {
        self.next - (self.buffer.len() - self.at) as u64
    }

    /// The bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.end - self.position()
    }

    /// The next bytes, at most [`BUFFER_BYTES`].
    pub(super) fn take(&mut self, count: usize) -> Result<&[u8], Fail> {
        if count as u64 > self.left() || count > BUFFER_BYTES {
            return Err(self.ends());
        }
        if self.buffer.len() - self.at < count {
            let position = self.position();
            self.buffer.resize((self.end - position).min(BUFFER_BYTES as u64) as usize, 0);
            (self.read)(&mut self.buffer, position).map_err(Fail::Io)?;
            (self.at, self.next) = (0, position + self.buffer.len() as u64);
        }
        self.at += count;
        Ok(&self.buffer[self.at - count..self.at])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fail> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fail> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fail> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Passes over the next bytes without reading them.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), Fail> {
        if count > self.left() {
            return Err(self.ends());
        }
        let position = self.position() + count;
        match usize::try_from(count).ok().filter(|count| *count <= self.buffer.len() - self.at) {
            Some(count) => self.at += count,
            None => {
                self.buffer.clear();
                (self.at, self.next) = (0, position);
            }
        }
        Ok(())
    }

    /// A text: its length in 8 bytes, then UTF-8. `None` if it is longer than `limit` bytes; it is then passed over.
    pub(super) fn text(&mut self, limit: usize) -> Result<Option<String>, Fail> {
        let length = self.u64()?;
        match usize::try_from(length).ok().filter(|length| *length <= limit) {
            Some(length) => {
                let text = String::from_utf8(self.take(length)?.to_vec());
                text.map(Some).map_err(|_| broken("a text is not UTF-8"))
            }
            None => self.skip(length).map(|()| None),
        }
    }

    fn ends(&self) -> Fail {
        broken(format!("it does not end within the first {} bytes", self.end))
    }
}
