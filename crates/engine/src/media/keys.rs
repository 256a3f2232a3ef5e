//! Keys of pictures.

/// A new key: 128 random bits as 32 hexadecimal digits.
pub fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether a text is a valid key: 16 to 64 characters of `0-9`, `a-z`, `-`. Only valid keys become paths.
pub fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-');
    (16..=64).contains(&text.len()) && text.bytes().all(allowed)
}
