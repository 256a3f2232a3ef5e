//! Reads picture files (PNG, JPEG, WebP) as sRGB pixels: decodes them within limits, converts them by their colour
//! profile, rotates them upright, puts them on white, and fits them to a size that a take can have.
//!
//! [`Picture::notes`] lists everything in the file that the result does not show. Truncated files are rejected.

mod colour;
mod decode;
mod exif;
mod fit;
mod pixels;
mod thumbnail;

pub use thumbnail::thumbnail;

use image::RgbImage;
use std::{fmt, ops::RangeInclusive};

/// The longest side that is decoded, in pixels: WebP's own limit.
pub const MAX_SIDE_PX: u32 = 16_384;
/// The largest picture that is decoded. The header of a file of a few kilobytes can claim any size.
pub const MAX_MEGAPIXELS: u64 = 100;

/// The allowed sizes of a fitted picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Allowed sides, in pixels.
    pub side_px: RangeInclusive<u32>,
    /// A side is a multiple of this many pixels; at least 1.
    pub side_step_px: u32,
}

/// A picture in sRGB.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The pixels, upright, on white.
    pub rgb: RgbImage,
    /// Properties of the file that the pixels do not show.
    pub notes: Vec<Note>,
}

/// A property of a file that its picture does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The file is an animation.
    FirstPictureOnly,
    /// The file's colour space could not be used; its values are used as sRGB.
    ProfileIgnored {
        /// The reason.
        why: &'static str,
    },
    /// Values of printing inks without a profile that defines the inks.
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

/// Why a file is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An unsupported format.
    #[error("is no PNG, JPEG or WebP picture")]
    Format,
    /// A side exceeds the limit.
    #[error("must be at most {MAX_SIDE_PX} pixels a side")]
    Side,
    /// Too many pixels.
    #[error("must have at most {MAX_MEGAPIXELS} megapixels")]
    Pixels,
    /// Not both sides can be within their limits.
    #[error("must be at most {ratio} times as wide as high, or as high as wide, not {width} x {height} pixels")]
    Narrow {
        /// The longest allowed side divided by the shortest.
        ratio: u32,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The file ends before its picture.
    #[error("is a broken picture: the file is cut short")]
    CutShort,
    /// There is no unique conversion from high dynamic range to sRGB.
    #[error("is a high dynamic range picture ({transfer}), which cannot be converted; save it as sRGB")]
    HighRange {
        /// The transfer function.
        transfer: &'static str,
    },
    /// The decoder's message.
    #[error("is a broken picture: {0}")]
    Broken(String),
}

/// Reads a picture. If its sides are within `bounds` its pixels stay unchanged. Otherwise it is scaled as little as
/// necessary, and trimmed by less than a step per side.
///
/// # Errors
/// An unsupported format, a broken file, one that exceeds the limits, or one that is far too narrow.
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
    // Scale first: the time and memory of all later steps depend on the number of pixels. Scaling mixes values within
    // one colour space, and blending onto white is linear in alpha, so the order does not change colours.
    let pixels = decoded.pixels.scaled(upright(fit.scaled))?;
    let mut picture = image::DynamicImage::ImageRgb8(colour::to_srgb(pixels, &decoded.colour, &mut notes)?);
    picture.apply_orientation(decoded.orientation);
    Ok(Picture { rgb: fit.trim(picture), notes })
}

/// Maximum memory in bytes that [`read`] needs for this file, in addition to the file. Reads only its header.
///
/// # Errors
/// The same as [`read`], as far as they can be detected from the header.
pub fn memory_bytes(file: &[u8]) -> Result<u64, Error> {
    decode::memory_bytes(file)
}
