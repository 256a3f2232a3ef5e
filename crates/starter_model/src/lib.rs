#![doc = include_str!("../README.md")]

mod card;

pub use card::Card;

use checkpoint::{Checkpoint, MemoryFolder};
use flate2::read::ZlibDecoder;
use std::{
    io::{self, Read},
    sync::LazyLock,
};

/// The model's name, used instead of a path.
pub const NAME: &str = "starter";

/// Why the model cannot be loaded. Both variants mean that the binary is damaged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file does not decompress to the packed content.
    #[error("the starter model inside this program is damaged: {file}: {source}")]
    Damaged {
        /// Path inside the model's folder.
        file: &'static str,
        /// The decoder's error.
        source: io::Error,
    },
    /// The files are not a valid checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
}

/// A file of the model, packed by `build.rs`.
struct Packed {
    name: &'static str,
    /// Decompressed length in bytes.
    length: usize,
    deflated: &'static [u8],
}

static FILES: &[Packed] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Size of the packed model in the binary, in bytes.
pub fn packed_bytes() -> usize {
    FILES.iter().map(|file| file.deflated.len()).sum()
}

/// The model's diffusers folder, decompressed: about 25 MB, in a tenth of a second.
///
/// # Errors
/// [`Error::Damaged`].
pub fn folder() -> Result<MemoryFolder, Error> {
    let files = FILES.iter().map(|file| Ok((file.name.to_owned(), file.inflate()?)));
    Ok(MemoryFolder::new(NAME, files.collect::<Result<Vec<_>, Error>>()?))
}

/// The model as a [`checkpoint`]. It holds the decompressed files until it is dropped.
///
/// # Errors
/// [`Error`].
pub fn checkpoint() -> Result<Checkpoint, Error> {
    Ok(Checkpoint::in_memory(&folder()?)?)
}

/// The model's card, from `card.json`.
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
        // Reading to the end also verifies zlib's checksum.
        ZlibDecoder::new(self.deflated).read_to_end(&mut bytes).map_err(damaged)?;
        if bytes.len() != self.length {
            return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }
}
