//! Pictures for tests. Only development dependencies name this crate.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// A picture whose neighbouring pixels all differ.
pub fn pattern(width: u32, height: u32) -> RgbImage {
    let low = |number: u32| number.to_le_bytes()[0];
    RgbImage::from_fn(width, height, |x, y| Rgb([low(7 * x), low(5 * y), low(x + y)]))
}

/// The picture as a file of this format.
///
/// # Panics
/// A format that this workspace's `image` cannot write.
pub fn file(picture: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture).write_to(&mut file, format).expect("written");
    file.into_inner()
}
