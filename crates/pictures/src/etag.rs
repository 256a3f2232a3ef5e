//! The hash by which a picture's bytes are known.

use sha2::{Digest, Sha256};
use std::io::{self, Read};

/// Bytes that are read at a time.
const BLOCK: usize = 1 << 16;

/// The ETag of these bytes: the first 128 bits of their SHA-256, as 32 hexadecimal digits. Two pictures practically never share
/// them.
pub fn etag_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// As [`etag_of`], of everything that is left to read.
///
/// # Errors
/// The reader's.
pub fn etag_of_reader(mut from: impl Read) -> io::Result<String> {
    let (mut hasher, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        match from.read(&mut block)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&block[..read]),
        }
    }
}

fn hex(hash: &[u8]) -> String {
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_beginning_of_sha_256() {
        // `printf abc | sha256sum`
        assert_eq!(etag_of(b"abc"), "ba7816bf8f01cfea414140de5dae2223");
        let long = vec![7; BLOCK * 2 + 1];
        assert_eq!(etag_of_reader(long.as_slice()).expect("read"), etag_of(&long));
    }
}
