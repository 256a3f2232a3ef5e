//! Short hashes of model files in records.

/// The first 12 digits of an AutoV3 hash (SHA-256 of the file behind its header), after `0x` or not; or the 10 digits of an
/// AutoV2 hash (SHA-256 of the whole file).
pub(crate) fn short_hash(hash: &str) -> Option<String> {
    let hash = hash.trim().trim_start_matches("0x").to_lowercase();
    let digits = if hash.len() == 10 { &hash } else { hash.get(..12)? };
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| digits.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_12_or_10_digits() {
        assert_eq!(short_hash("0x0123456789ABcdef"), Some("0123456789ab".to_owned()));
        assert_eq!(short_hash("0123456789"), Some("0123456789".to_owned()));
        for other in ["01234567", "01234567890", "blake3:0123456789ab", "é123456789abc", "blake3:012"] {
            assert_eq!(short_hash(other), None, "{other}");
        }
    }
}
