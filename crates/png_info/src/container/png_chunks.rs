//! PNG: `tEXt`, `zTXt`, `iTXt` and `eXIf` chunks.

use super::{MAX_TEXT_BYTES, Texts, exif, text_from_bytes};
use crate::Error;
use flate2::{Crc, read::ZlibDecoder};
use std::io::Read;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads every text chunk, before and after the pixels. A damaged text chunk is ignored. Damage in or after the pixels
/// ends the reading; the texts before it are kept.
///
/// # Errors
/// A file that ends before its first `IDAT` chunk.
pub(super) fn read(file: &[u8], texts: &mut Texts) -> Result<(), Error> {
    let mut rest = file.get(SIGNATURE.len()..).unwrap_or_default();
    let mut has_pixels = false;
    let mut is_first = true;
    while let Some((kind, behind)) = header(rest) {
        if is_first && kind.name != *b"IHDR" {
            break;
        }
        is_first = false;
        has_pixels |= kind.name == *b"IDAT";
        let Some((data, behind)) = behind.split_at_checked(kind.length) else { break };
        let Some((crc, behind)) = behind.split_first_chunk::<4>() else { break };
        if kind.is_text() && is_whole(&kind.name, data, *crc) {
            read_text(&kind.name, data, texts);
        }
        if kind.name == *b"IEND" {
            break;
        }
        rest = behind;
    }
    if has_pixels { Ok(()) } else { Err(Error::Broken { format: "PNG" }) }
}

struct Kind {
    name: [u8; 4],
    length: usize,
}

impl Kind {
    fn is_text(&self) -> bool {
        matches!(&self.name, b"tEXt" | b"zTXt" | b"iTXt" | b"eXIf")
    }
}

fn header(rest: &[u8]) -> Option<(Kind, &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    Some((Kind { name: *name, length }, rest))
}

fn is_whole(name: &[u8], data: &[u8], crc: [u8; 4]) -> bool {
    let mut sum = Crc::new();
    sum.update(name);
    sum.update(data);
    sum.sum() == u32::from_be_bytes(crc)
}

fn read_text(kind: &[u8; 4], data: &[u8], texts: &mut Texts) {
    if kind == b"eXIf" {
        return exif::read(data, texts);
    }
    let Some((keyword, rest)) = split_at_nul(data) else { return };
    let bytes = match kind {
        b"tEXt" => Some(rest.to_vec()),
        // One byte for the compression method; only one exists.
        b"zTXt" => rest.split_first().and_then(|(_, zipped)| inflated(zipped)),
        _ => international(rest),
    };
    if let Some(bytes) = bytes.filter(|bytes| bytes.len() <= MAX_TEXT_BYTES) {
        texts.push(&text_from_bytes(keyword), text_from_bytes(&bytes));
    }
}

/// The text of an `iTXt` chunk after its keyword: flag, method, language, translated keyword, text.
fn international(rest: &[u8]) -> Option<Vec<u8>> {
    let ([is_compressed, _method], rest) = rest.split_first_chunk::<2>()?;
    let (_language, rest) = split_at_nul(rest)?;
    let (_translated, text) = split_at_nul(rest)?;
    if *is_compressed == 1 { inflated(text) } else { Some(text.to_vec()) }
}

fn split_at_nul(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|byte| *byte == 0)?;
    Some((&data[..at], &data[at + 1..]))
}

/// Decompresses. `None` if the limit is exceeded or the data is damaged.
fn inflated(zipped: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let limit = u64::try_from(MAX_TEXT_BYTES).unwrap_or(u64::MAX);
    ZlibDecoder::new(zipped).take(limit + 1).read_to_end(&mut text).ok()?;
    (text.len() <= MAX_TEXT_BYTES).then_some(text)
}
