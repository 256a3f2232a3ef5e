//! Decodes a file to pixels, within limits.

mod jpeg;
mod png;
mod segments;
mod webp;

use crate::{Error, MAX_MEGAPIXELS, MAX_SIDE_PX, Note, colour::Colour, exif::Exif, pixels::Pixels};
use image::{ImageFormat, metadata::Orientation};

/// A picture as stored in its file.
#[derive(Debug)]
pub struct Decoded {
    pub pixels: Pixels,
    pub colour: Colour,
    pub orientation: Orientation,
    pub notes: Vec<Note>,
}

impl Decoded {
    /// Whether the orientation exchanges width and height.
    pub fn is_turned(&self) -> bool {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        matches!(self.orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
    }
}

/// Decodes a PNG, JPEG or WebP file; for an animation its first picture.
///
/// # Errors
/// An unsupported format, a broken or truncated file, or one that exceeds the limits.
pub fn decode(file: &[u8]) -> Result<Decoded, Error> {
    match format(file)? {
        ImageFormat::Png => png::decode(file),
        ImageFormat::Jpeg => jpeg::decode(file),
        _ => webp::decode(file),
    }
}

/// Bytes needed in addition to the decoded pixels: the scaled picture and intermediate copies.
const FIXED_BYTES: u64 = 64 << 20;

/// Maximum memory in bytes that a file's picture needs.
///
/// # Errors
/// The same as [`decode`], as far as they can be detected from the header.
pub fn memory_bytes(file: &[u8]) -> Result<u64, Error> {
    let of = match format(file)? {
        ImageFormat::Png => png::memory(file),
        ImageFormat::Jpeg => jpeg::memory(file),
        _ => webp::memory(file),
    }?;
    // Scaling starts with the rows: the number of rows stays, each with at most 2048 pixels.
    let scaling = u64::from(of.size.0.min(2048)) * u64::from(of.size.1) * of.pixel_bytes;
    let copy = if format(file)? == ImageFormat::Jpeg { file.len() as u64 } else { 0 };
    Ok(FIXED_BYTES + copy + scaling + u64::from(of.size.0) * u64::from(of.size.1) * of.decoding_bytes)
}

/// Memory needed for decoding.
struct Memory {
    size: (u32, u32),
    /// Bytes per decoded pixel.
    pixel_bytes: u64,
    /// Bytes per pixel including the decoder's own memory.
    decoding_bytes: u64,
}

fn format(file: &[u8]) -> Result<ImageFormat, Error> {
    let format = image::guess_format(file).map_err(|_| Error::Format)?;
    match format {
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP => Ok(format),
        _ => Err(Error::Format),
    }
}

/// Checks a size before anything is decoded.
fn check_size(width: u32, height: u32) -> Result<(), Error> {
    if width > MAX_SIDE_PX || height > MAX_SIDE_PX {
        return Err(Error::Side);
    }
    match u64::from(width) * u64::from(height) <= MAX_MEGAPIXELS * 1_000_000 {
        true => Ok(()),
        false => Err(Error::Pixels),
    }
}

/// The orientation from EXIF data, and whether the values are Adobe RGB without a profile.
fn of_exif(exif: Option<&[u8]>) -> (Orientation, Colour) {
    let exif = exif.and_then(Exif::new);
    let colour = if exif.is_some_and(Exif::is_adobe_rgb) { Colour::AdobeRgb } else { Colour::Srgb };
    (exif.map_or(Orientation::NoTransforms, Exif::orientation), colour)
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken(error.to_string())
}
