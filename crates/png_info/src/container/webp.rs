//! WebP: the `EXIF` and `XMP ` chunks of its RIFF file.

use super::{MAX_TEXT_BYTES, Texts, XMP, exif, text_from_bytes};
use crate::Error;

pub(super) fn is_webp(file: &[u8]) -> bool {
    file.starts_with(b"RIFF") && file.get(8..12) == Some(b"WEBP")
}

/// Reads all chunks; the texts usually follow the pixels.
///
/// # Errors
/// A file without a picture.
pub(super) fn read(file: &[u8], texts: &mut Texts) -> Result<(), Error> {
    let mut rest = file.get(12..).unwrap_or_default();
    let mut has_pixels = false;
    while let Some((name, length, behind)) = header(rest) {
        has_pixels |= matches!(name, b"VP8 " | b"VP8L" | b"ANMF");
        let Some(data) = behind.get(..length) else { break };
        match name {
            b"EXIF" => exif::read(data, texts),
            b"XMP " if length <= MAX_TEXT_BYTES => texts.push(XMP, text_from_bytes(data)),
            _ => {}
        }
        // Chunks start at even offsets.
        rest = behind.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    if has_pixels { Ok(()) } else { Err(Error::Broken { format: "WebP" }) }
}

fn header(rest: &[u8]) -> Option<(&[u8; 4], usize, &[u8])> {
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    Some((name, usize::try_from(u32::from_le_bytes(*length)).ok()?, rest))
}
