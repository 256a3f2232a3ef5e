//! Picture files from elsewhere (PNG, JPEG, WebP) as sRGB pixels: decoded within bounds, converted by their colour profile,
//! turned upright, laid on white, and fitted to a size that a take can have.
//!
//! Whatever the result does not show of the file is said in [`Picture::notes`]; a file that is cut short is refused.

mod colour;
mod decode;
mod exif;
mod fit;
mod pixels;

use image::RgbImage;
use std::{fmt, ops::RangeInclusive};

/// The longest side that is decoded, pixels: WebP's own limit.
pub const MAX_SIDE_PX: u32 = 16_384;
/// The largest picture that is decoded. A file of a few kilobytes can say that it is larger.
pub const MAX_MEGAPIXELS: u64 = 100;

/// The sizes that a picture is fitted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Pixels of a side.
    pub side_px: RangeInclusive<u32>,
    /// A side is a multiple of it, pixels; 1 at least.
    pub side_step_px: u32,
}

/// A picture as sRGB.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The pixels, upright, on white.
    pub rgb: RgbImage,
    /// What the pixels do not show of the file.
    pub notes: Vec<Note>,
}

/// Something of a file that its picture does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The file is an animation.
    FirstPictureOnly,
    /// The file names a colour space that could not be used; its values are taken as sRGB.
    ProfileIgnored {
        /// Why.
        why: &'static str,
    },
    /// Values of printing inks without a profile that says which inks.
    InksWithoutProfile,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstPictureOnly => f.write_str("the file is an animation; only its first picture is used"),
            Self::ProfileIgnored { why } => {
                write!(f, "the colour profile was ignored ({why}); colours are taken as sRGB")
            }
            Self::InksWithoutProfile => {
                f.write_str("the file has CMYK values without a colour profile; the colours are approximate")
            }
        }
    }
}

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another format.
    #[error("is no PNG, JPEG or WebP picture")]
    Format,
    /// A side past the limit.
    #[error("must be at most {MAX_SIDE_PX} pixels a side")]
    Side,
    /// More pixels than are decoded.
    #[error("must have at most {MAX_MEGAPIXELS} megapixels")]
    Pixels,
    /// The two sides cannot both be within their bounds.
    #[error("must be at most {ratio} times as wide as high, or as high as wide, not {width} x {height} pixels")]
    Narrow {
        /// The longest side over the shortest.
        ratio: u32,
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
    },
    /// The file ends before its picture does.
    #[error("is a broken picture: the file is cut short")]
    CutShort,
    /// High dynamic range has no one way to sRGB.
    #[error("is a high dynamic range picture ({transfer}), which cannot be converted; save it as sRGB")]
    HighRange {
        /// The transfer function.
        transfer: &'static str,
    },
    /// The decoder's words.
    #[error("is a broken picture: {0}")]
    Broken(String),
}

/// Reads a picture. One whose sides are within `bounds` stays as it is, pixel for pixel; others are scaled as little as need be,
/// and trimmed by less than a step a side.
///
/// # Errors
/// Another format, a broken file, one past the limits, one far too narrow.
pub fn read(file: &[u8], bounds: &Bounds) -> Result<Picture, Error> {
    let decoded = decode::decode(file)?;
    let (turned, mut notes) = (decoded.is_turned(), decoded.notes);
    let upright = |(width, height)| if turned { (height, width) } else { (width, height) };
    let (width, height) = upright((decoded.pixels.width, decoded.pixels.height));
    let fit = fit::Fit::of(width, height, bounds).ok_or_else(|| Error::Narrow {
        ratio: bounds.side_px.end() / (*bounds.side_px.start()).max(1),
        width,
        height,
    })?;
    // Scaled before anything else is done: all that follows costs memory and time by the pixel. Scaling mixes values
    // of one colour space, and white below them is linear in the coverage; so the order changes no colour.
    let pixels = decoded.pixels.scaled(upright(fit.scaled))?;
    let mut picture = image::DynamicImage::ImageRgb8(colour::to_srgb(pixels, &decoded.colour, &mut notes)?);
    picture.apply_orientation(decoded.orientation);
    Ok(Picture { rgb: fit.trim(picture), notes })
}

/// The most memory that [`read`] takes for this file beside the file itself, bytes; reads no more than its head.
///
/// # Errors
/// As [`read`], where the head says it.
pub fn memory_bytes(file: &[u8]) -> Result<u64, Error> {
    decode::memory_bytes(file)
}
