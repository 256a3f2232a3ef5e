//! A file to pixels, within bounds.

mod jpeg;
mod png;
mod segments;
mod webp;

use crate::{Error, MAX_MEGAPIXELS, MAX_SIDE_PX, Note, colour::Colour, exif::Exif, pixels::Pixels};
use image::{ImageFormat, metadata::Orientation};

/// A picture as its file has it.
#[derive(Debug)]
pub struct Decoded {
    pub pixels: Pixels,
    pub colour: Colour,
    pub orientation: Orientation,
    pub notes: Vec<Note>,
}

impl Decoded {
    /// Whether its width becomes its height.
    pub fn is_turned(&self) -> bool {
        use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
        matches!(self.orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
    }
}

/// The picture in a PNG, JPEG or WebP file; the first one of an animation.
///
/// # Errors
/// Another format, a broken or a cut file, one past the limits.
pub fn decode(file: &[u8]) -> Result<Decoded, Error> {
    match format(file)? {
        ImageFormat::Png => png::decode(file),
        ImageFormat::Jpeg => jpeg::decode(file),
        _ => webp::decode(file),
    }
}

/// Bytes that reading a picture takes beside its decoded pixels: the scaled picture and its copies on the way.
const FIXED_BYTES: u64 = 64 << 20;

/// The most memory that a file's picture takes, bytes.
///
/// # Errors
/// As [`decode`], where the head says it.
pub fn memory_bytes(file: &[u8]) -> Result<u64, Error> {
    let of = match format(file)? {
        ImageFormat::Png => png::memory(file),
        ImageFormat::Jpeg => jpeg::memory(file),
        _ => webp::memory(file),
    }?;
    // Scaling goes by rows first: as many rows as before, each of 2048 pixels at most.
    let scaling = u64::from(of.size.0.min(2048)) * u64::from(of.size.1) * of.pixel_bytes;
    let copy = if format(file)? == ImageFormat::Jpeg { file.len() as u64 } else { 0 };
    Ok(FIXED_BYTES + copy + scaling + u64::from(of.size.0) * u64::from(of.size.1) * of.decoding_bytes)
}

/// What decoding takes.
struct Memory {
    size: (u32, u32),
    /// Of a decoded pixel.
    pixel_bytes: u64,
    /// The same, and all that the decoder keeps of it meanwhile.
    decoding_bytes: u64,
}

fn format(file: &[u8]) -> Result<ImageFormat, Error> {
    let format = image::guess_format(file).map_err(|_| Error::Format)?;
    match format {
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP => Ok(format),
        _ => Err(Error::Format),
    }
}

/// Refuses a size before anything of it is decoded.
fn check_size(width: u32, height: u32) -> Result<(), Error> {
    if width > MAX_SIDE_PX || height > MAX_SIDE_PX {
        return Err(Error::Side);
    }
    match u64::from(width) * u64::from(height) <= MAX_MEGAPIXELS * 1_000_000 {
        true => Ok(()),
        false => Err(Error::Pixels),
    }
}

/// How a file of any format lies, and whether its values are Adobe RGB's without a profile.
fn of_exif(exif: Option<&[u8]>) -> (Orientation, Colour) {
    let exif = exif.and_then(Exif::new);
    let colour = if exif.is_some_and(Exif::is_adobe_rgb) { Colour::AdobeRgb } else { Colour::Srgb };
    (exif.map_or(Orientation::NoTransforms, Exif::orientation), colour)
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken(error.to_string())
}
