#![doc = include_str!("../README.md")]

mod card;

pub use card::{Card, Recommended};

use checkpoint::{Checkpoint, MemoryFolder};
use flate2::read::ZlibDecoder;
use std::{
    io::{self, Read},
    sync::LazyLock,
};

/// The model's name, where others have a path.
pub const NAME: &str = "starter";

/// Why the model cannot be had. Both mean that the binary itself is damaged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file does not inflate to what was packed.
    #[error("the starter model inside this program is damaged: {file}: {source}")]
    Damaged {
        /// Path inside the model's folder.
        file: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// The files are no checkpoint that loads.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
}

/// A file of the model, as `build.rs` packed it.
struct Packed {
    name: &'static str,
    /// Bytes when inflated.
    length: usize,
    deflated: &'static [u8],
}

static FILES: &[Packed] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Bytes that the model takes in the binary.
pub fn packed_bytes() -> usize {
    FILES.iter().map(|file| file.deflated.len()).sum()
}

/// The model's diffusers folder, inflated: about 25 MB, in a tenth of a second.
///
/// # Errors
/// [`Error::Damaged`].
pub fn folder() -> Result<MemoryFolder, Error> {
    let files = FILES.iter().map(|file| Ok((file.name.to_owned(), file.inflate()?)));
    Ok(MemoryFolder::new(NAME, files.collect::<Result<Vec<_>, Error>>()?))
}

/// The model, for [`checkpoint`]'s readers like any other. It holds the inflated files until it is dropped.
///
/// # Errors
/// [`Error`].
pub fn checkpoint() -> Result<Checkpoint, Error> {
    Ok(Checkpoint::in_memory(&folder()?)?)
}

/// What is known about the model besides its weights: `card.json`.
pub fn card() -> &'static Card {
    static CARD: LazyLock<Card> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../card.json")).expect("build.rs has parsed this very text")
    });
    &CARD
}

impl Packed {
    fn inflate(&self) -> Result<Vec<u8>, Error> {
        let damaged = |source| Error::Damaged { file: self.name, source };
        let mut bytes = Vec::with_capacity(self.length);
        // zlib's own checksum is held against the bytes at their end.
        ZlibDecoder::new(self.deflated).read_to_end(&mut bytes).map_err(damaged)?;
        if bytes.len() != self.length {
            return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }
}
