//! Texts that a picture file carries, read within bounds. Pixels are not decoded.

mod exif;
mod jpeg;
mod png_chunks;
mod webp;

use crate::Error;

/// The longest text that is read, bytes: a megabyte of compressed zeros can hold a gigabyte.
pub(crate) const MAX_TEXT_BYTES: usize = 1 << 20;
/// How many texts of one file are read.
const MAX_TEXTS: usize = 64;
/// All texts of one file together, bytes.
const MAX_TOTAL_BYTES: usize = 8 << 20;

/// Keyword of the EXIF field in which JPEG and WebP files carry the text of A1111 and others.
pub(crate) const USER_COMMENT: &str = "UserComment";
/// Keyword of XMP data.
pub(crate) const XMP: &str = "XML:com.adobe.xmp";

/// A file's texts by keyword, in the file's order.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    entries: Vec<(String, String)>,
    bytes: usize,
}

impl Texts {
    /// Adds a text; one past the bounds is ignored.
    fn push(&mut self, keyword: &str, text: String) {
        let bytes = self.bytes + text.len();
        if text.len() > MAX_TEXT_BYTES || bytes > MAX_TOTAL_BYTES || self.entries.len() >= MAX_TEXTS {
            return;
        }
        self.bytes = bytes;
        self.entries.push((keyword.to_owned(), text));
    }

    /// The text of a keyword; of several, the last, as Pillow has it.
    pub(crate) fn get(&self, keyword: &str) -> Option<&str> {
        self.iter().rev().find(|(name, _)| *name == keyword).map(|(_, text)| text)
    }

    /// Every keyword and text.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.entries.iter().map(|(keyword, text)| (keyword.as_str(), text.as_str()))
    }
}

/// Whether a file begins as one of the formats that are read.
pub(crate) fn is_picture(head: &[u8]) -> bool {
    head.starts_with(png_chunks::SIGNATURE) || head.starts_with(jpeg::SIGNATURE) || webp::is_webp(head)
}

/// Reads the texts of a PNG, JPEG or WebP file.
///
/// # Errors
/// Another format; a file that ends before its pixels begin.
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

/// Text of unknown encoding: UTF-8 where it is valid, else Latin-1. The PNG specification asks for Latin-1 in `tEXt`,
/// but several programs write UTF-8 there.
fn text_from_bytes(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = &bytes[..end];
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
