//! Reads the texts in a picture file within limits. Pixels are not decoded.

mod exif;
mod jpeg;
mod png_chunks;
mod webp;

use crate::Error;

/// Maximum length of a text in bytes. A megabyte of compressed zeros can expand to a gigabyte.
pub(crate) const MAX_TEXT_BYTES: usize = 1 << 20;
/// Maximum number of texts per file.
const MAX_TEXTS: usize = 64;
/// Maximum length of all texts of a file in bytes.
const MAX_TOTAL_BYTES: usize = 8 << 20;

/// Keyword of the EXIF field that contains the text of A1111 and others in JPEG and WebP files.
pub(crate) const USER_COMMENT: &str = "UserComment";
/// Keyword of XMP data.
pub(crate) const XMP: &str = "XML:com.adobe.xmp";

/// A file's texts by keyword, in file order.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    entries: Vec<(String, String)>,
    bytes: usize,
}

impl Texts {
    /// Adds a text. Texts beyond the limits are ignored.
    fn push(&mut self, keyword: &str, text: String) {
        let bytes = self.bytes + text.len();
        if text.len() > MAX_TEXT_BYTES || bytes > MAX_TOTAL_BYTES || self.entries.len() >= MAX_TEXTS {
            return;
        }
        self.bytes = bytes;
        self.entries.push((keyword.to_owned(), text));
    }

    /// The text of a keyword; the last one if there are several, as in Pillow.
    pub(crate) fn get(&self, keyword: &str) -> Option<&str> {
        self.iter().rev().find(|(name, _)| *name == keyword).map(|(_, text)| text)
    }

    /// All keywords and texts.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.entries.iter().map(|(keyword, text)| (keyword.as_str(), text.as_str()))
    }
}

/// Whether a file starts like one of the supported formats.
pub(crate) fn is_picture(head: &[u8]) -> bool {
    head.starts_with(png_chunks::SIGNATURE) || head.starts_with(jpeg::SIGNATURE) || webp::is_webp(head)
}

/// Reads the texts of a PNG, JPEG or WebP file.
///
/// # Errors
/// An unsupported format, or a file that ends before its pixels start.
pub(crate) fn texts(file: &[u8]) -> Result<Texts, Error> {
    let mut texts = Texts::default();
    if file.starts_with(png_chunks::SIGNATURE) {
        png_chunks::read(file, &mut texts)?;
    } else if file.starts_with(jpeg::SIGNATURE) {
        jpeg::read(file, &mut texts)?;
    } else if webp::is_webp(file) {
        webp::read(file, &mut texts)?;
    } else {
        return Err(Error::Format);
    }
    Ok(texts)
}

/// Decodes text of unknown encoding: UTF-8 if valid, otherwise Latin-1. The PNG specification requires Latin-1 in
/// `tEXt`, but several programs write UTF-8 there.
fn text_from_bytes(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = &bytes[..end];
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
