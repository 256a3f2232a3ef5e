//! A short hash by which machines find out whether they have the same model.

use super::Offer;
use checkpoint::Checkpoint;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

/// Pieces of a file that are hashed, evenly spread from its start to its end, and their length in bytes. The first has the start of
/// the header. Fine-tuned checkpoints of one architecture have the same tensors and the same length, so the header alone
/// does not tell them apart; hashing all of 7 GB would take half a minute.
const PIECES: u64 = 16;
const PIECE_BYTES: u64 = 64 << 10;

/// Models whose fingerprints are computed by one call of [`Fingerprints::add_some`].
const AT_ONCE: usize = 8;

/// The fingerprints that are known.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints(HashMap<(String, String), Option<String>>);

impl Fingerprints {
    /// The fingerprint of an available model; none if it is not computed yet or its files cannot be read.
    pub(crate) fn get(&self, offer: &Offer) -> Option<String> {
        self.0.get(&(offer.name.clone(), offer.version.clone())).cloned().flatten()
    }

    /// Computes the fingerprints of some models that have none yet. Reads files: call it where that may block.
    pub(crate) fn add_some(&mut self, offers: &[Arc<Offer>]) {
        let id = |offer: &Arc<Offer>| (offer.name.clone(), offer.version.clone());
        self.0.retain(|known, _| offers.iter().any(|offer| id(offer) == *known));
        let new: Vec<_> = offers.iter().filter(|offer| !self.0.contains_key(&id(offer))).take(AT_ONCE).collect();
        for offer in new {
            let computed = (offer.open)().ok().and_then(|checkpoint| fingerprint(&checkpoint).ok());
            self.0.insert(id(offer), computed);
        }
    }
}

/// 16 digits: of each file its length and pieces of its bytes. Names do not count. A model inside the program has no files: its
/// version counts.
///
/// # Errors
/// A file that cannot be read.
fn fingerprint(checkpoint: &Checkpoint) -> io::Result<String> {
    if !checkpoint.path().exists() {
        return Ok(digits(env!("CARGO_PKG_VERSION").as_bytes()));
    }
    of_files(checkpoint.files().iter().map(AsRef::as_ref))
}

fn of_files<'a>(files: impl Iterator<Item = &'a Path>) -> io::Result<String> {
    let mut each = files.map(of_file).collect::<io::Result<Vec<_>>>()?;
    each.sort_unstable();
    Ok(digits(&each.concat()))
}

fn of_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = regular_file::open(path)?;
    let bytes = file.metadata()?.len();
    let mut hash = Sha256::new();
    hash.update(bytes.to_le_bytes());
    let mut piece = vec![0; usize::try_from(PIECE_BYTES.min(bytes)).unwrap_or_default()];
    let last = bytes - piece.len() as u64;
    for number in 0..PIECES {
        let at = if number + 1 == PIECES { last } else { last / (PIECES - 1) * number };
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut piece)?;
        hash.update(&piece);
    }
    Ok(hash.finalize().into())
}

fn digits(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ_in_their_length_or_in_a_piece_have_other_fingerprints() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let of = |names: &[&str]| {
            of_files(names.iter().map(|name| path(name)).collect::<Vec<_>>().iter().map(AsRef::as_ref))
        };
        let content: Vec<u8> = (0..3_000_000_u32).map(|place| (place / 1000) as u8).collect();
        let (mut last, mut first) = (content.clone(), content.clone());
        last[2_999_999] ^= 1;
        first[0] ^= 1;
        let files: [(&str, &[u8]); 6] = [
            ("a", &content[..]),
            ("copy", &content),
            ("last", &last),
            ("first", &first),
            ("cut", &content[1..]),
            ("empty", &[]),
        ];
        for (name, bytes) in files {
            std::fs::write(path(name), bytes).expect("written");
        }
        let each: std::collections::BTreeSet<String> =
            files.iter().map(|(name, _)| of(&[*name]).expect("read")).collect();
        assert_eq!(each.len(), 5, "{each:?}");
        assert_eq!(of(&["a"]).expect("read"), of(&["copy"]).expect("read"));
        assert_eq!(of(&["a", "last"]).expect("read"), of(&["last", "copy"]).expect("read"), "in any order");
        assert!(of(&["missing"]).is_err());
    }
}
