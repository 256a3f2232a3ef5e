//! Small copies of pictures.

use crate::{Bounds, Error, read};
use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

/// JPEG quality: 320 pixels of a photograph are about 15 kB.
const QUALITY: u8 = 85;

/// The picture as a JPEG file whose longer side is at most `side_px` pixels. A smaller picture keeps its size.
///
/// # Errors
/// Those of [`read`].
pub fn thumbnail(file: &[u8], side_px: u32) -> Result<Vec<u8>, Error> {
    let picture = read(file, &Bounds { side_px: 1..=side_px, side_step_px: 1 })?.rgb;
    let ((width, height), mut jpeg) = (picture.dimensions(), Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8)
        .map_err(|error| Error::Broken(error.to_string()))?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageFormat;
    use test_pictures::{file, pattern};

    fn size(jpeg: &[u8]) -> (u32, u32) {
        image::load_from_memory_with_format(jpeg, ImageFormat::Jpeg).expect("a JPEG").to_rgb8().dimensions()
    }

    #[test]
    fn the_longer_side_is_limited_and_small_pictures_keep_their_size() {
        for (of, side_px, expected) in [
            ((1200, 800), 320, (320, 213)),
            ((800, 1200), 160, (107, 160)),
            ((128, 64), 320, (128, 64)),
            ((2048, 64), 160, (160, 5)),
        ] {
            let made = thumbnail(&file(pattern(of.0, of.1), ImageFormat::Png), side_px).expect("a picture");
            assert_eq!(size(&made), expected, "{of:?}");
        }
    }

    #[test]
    fn the_colours_are_those_of_the_picture() {
        let flat = image::RgbImage::from_pixel(640, 640, image::Rgb([200, 60, 20]));
        let made = thumbnail(&file(flat, ImageFormat::Png), 160).expect("a picture");
        let small = image::load_from_memory(&made).expect("a JPEG").to_rgb8();
        let near = |pixel: &image::Rgb<u8>| pixel.0.iter().zip([200u8, 60, 20]).all(|(a, b)| a.abs_diff(b) <= 3);
        assert!(small.pixels().all(near));
    }

    #[test]
    fn broken_files_are_refused() {
        let whole = file(pattern(300, 300), ImageFormat::Png);
        assert!(thumbnail(&whole[..whole.len() / 2], 160).is_err());
        assert_eq!(thumbnail(b"no picture", 160), Err(Error::Format));
    }
}
