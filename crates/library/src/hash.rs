//! Hashes of files, computed in one pass.

use checkpoint::LoraFile;
use protocol::FileHashes;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write,
    io::{self, Read},
    path::Path,
    time::Duration,
};

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// A file's hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// SHA-256 of the whole file, 64 digits.
    pub sha256: String,
    /// SHA-256 of the bytes behind the header of a safetensors or GGUF file, 64 digits; none for other files.
    pub tensors: Option<String>,
}

impl Hashed {
    /// The hashes for clients.
    pub fn for_clients(&self) -> FileHashes {
        FileHashes {
            auto_v2: self.auto_v2().map(str::to_owned),
            auto_v3: self.auto_v3().map(str::to_owned),
            sha256: Some(self.sha256.clone()),
        }
    }

    /// The first 10 digits of `sha256`.
    pub fn auto_v2(&self) -> Option<&str> {
        self.sha256.get(..10)
    }

    /// The first 12 digits of `tensors`.
    pub fn auto_v3(&self) -> Option<&str> {
        self.tensors.as_deref().and_then(|hash| hash.get(..12))
    }
}

/// Hashes a file. Calls `pause` after each piece with the time that it took; false ends the work, with `Ok(None)`.
pub(crate) fn hash(path: &Path, mut pause: impl FnMut(Duration) -> bool) -> io::Result<Option<Hashed>> {
    // The header is bounded, and a file that is not safetensors has none.
    let header_end = LoraFile::open(path).ok().map(|file| {
        let first = file.tensors().iter().map(|tensor| tensor.offset).min();
        first.unwrap_or(file.bytes())
    });
    let mut file = regular_file::open(path)?;
    let (mut whole, mut tensors) = (Sha256::new(), Sha256::new());
    let (mut piece, mut at) = (vec![0; PIECE], 0_u64);
    loop {
        let started = std::time::Instant::now();
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        whole.update(&piece[..read]);
        if let Some(end) = header_end {
            let skip = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(read);
            tensors.update(&piece[skip..read]);
        }
        at += read as u64;
        if !pause(started.elapsed()) {
            return Ok(None);
        }
    }
    let tensors = header_end.map(|_| hex(&tensors.finalize()));
    Ok(Some(Hashed { sha256: hex(&whole.finalize()), tensors }))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hashes_come_from_one_pass() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.safetensors");
        let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(&[1, 2, 3, 4]);
        std::fs::write(&path, &bytes).expect("written");
        let hashed = hash(&path, |_| true).expect("read").expect("to the end");
        assert_eq!(hashed.sha256, hex(&Sha256::digest(&bytes)));
        // `printf '\x01\x02\x03\x04' | sha256sum`
        let expected = "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a";
        assert_eq!(hashed.tensors.as_deref(), Some(expected));
        assert_eq!(hashed.auto_v3(), Some(&expected[..12]));
        assert_eq!(LoraFile::open(&path).expect("it opens").auto_v3().expect("read"), expected);
        assert_eq!(hash(&path, |_| false).expect("read"), None);
        std::fs::write(&path, "no header").expect("written");
        assert_eq!(hash(&path, |_| true).expect("read").expect("to the end").tensors, None);
    }
}
