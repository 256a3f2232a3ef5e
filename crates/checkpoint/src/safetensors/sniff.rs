//! Recognises files that are not safetensors, for a helpful error message.

use crate::error::HeaderError;

/// What the first bytes look like, if recognised.
pub(super) fn not_safetensors(start: &[u8]) -> Option<HeaderError> {
    let looks_like = match start {
        // PyTorch's newer files are zip archives with a pickle inside.
        [b'P', b'K', 3, 4, ..] | [0x80, 2..=5, ..] => return Some(HeaderError::Pickle),
        [0x00, 0x05, 0x16, 0x07, ..] => "what macOS keeps beside a file on foreign disks (AppleDouble), not the file",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file",
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => "a picture",
        _ if start.starts_with(b"version https://git-lfs") => "a Git LFS pointer: the file itself was not downloaded",
        _ if starts_with_tag(start) => "a web page: the download failed",
        _ if is_text(start) => "a text file",
        _ => return None,
    };
    Some(HeaderError::NotSafetensors { looks_like })
}

fn starts_with_tag(start: &[u8]) -> bool {
    let lower = start.trim_ascii_start().to_ascii_lowercase();
    lower.starts_with(b"<!doctype") || lower.starts_with(b"<html")
}

/// Whether this is printable UTF-8, except for a character that is cut off at the end.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.chars().any(|c| c.is_control() && !c.is_whitespace())
}
