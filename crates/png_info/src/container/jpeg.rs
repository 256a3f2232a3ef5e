//! JPEG: EXIF and XMP in `APP1` segments, and comments.

use super::{MAX_TEXT_BYTES, Texts, XMP, exif, text_from_bytes};
use crate::Error;

pub(super) const SIGNATURE: &[u8] = b"\xff\xd8\xff";
const XMP_HEADER: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// Reads the segments before the pixels.
///
/// # Errors
/// A file that ends before its pixels start.
pub(super) fn read(file: &[u8], texts: &mut Texts) -> Result<(), Error> {
    let mut rest = file.get(2..).unwrap_or_default();
    while let Some((marker, behind)) = marker(rest) {
        match marker {
            // Start of scan: the pixels follow.
            0xDA => return Ok(()),
            // Markers without a length.
            0x01 | 0xD0..=0xD7 => rest = behind,
            0xD9 => break,
            _ => {
                let Some((data, behind)) = segment(behind) else { break };
                read_segment(marker, data, texts);
                rest = behind;
            }
        }
    }
    Err(Error::Broken { format: "JPEG" })
}

/// Returns the next marker's code. Fill bytes before it are skipped.
fn marker(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (0xFF, mut rest) = rest.split_first()? else { return None };
    loop {
        let (code, behind) = rest.split_first()?;
        rest = behind;
        if *code != 0xFF {
            return Some((*code, behind));
        }
    }
}

fn segment(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)).checked_sub(2)?)
}

fn read_segment(marker: u8, data: &[u8], texts: &mut Texts) {
    match marker {
        0xE1 if data.starts_with(exif::HEADER) => exif::read(data, texts),
        0xE1 => {
            if let Some(xmp) = data.strip_prefix(XMP_HEADER) {
                texts.push(XMP, text_from_bytes(xmp));
            }
        }
        0xFE if data.len() <= MAX_TEXT_BYTES => texts.push("Comment", text_from_bytes(data)),
        _ => {}
    }
}
