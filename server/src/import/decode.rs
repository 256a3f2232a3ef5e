//! A file to pixels, within bounds.

use super::refused;
use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, error::LimitErrorKind,
    metadata::Orientation,
};
use protocol::Problem;
use std::io::Cursor;

/// What is taken in.
const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];
/// The longest side that is decoded: WebP's own limit.
const MAX_SIDE_PX: u32 = 16_384;
/// The largest picture that is decoded. A file of a few kilobytes can say that it is larger.
const MAX_MEGAPIXELS: u64 = 100;
/// Pixels of it.
const MAX_PIXELS: u64 = MAX_MEGAPIXELS * 1_000_000;
/// Bytes of a pixel at most: four channels of 16 bits.
const PIXEL_BYTES: u64 = 8;

/// The picture in a PNG, JPEG or WebP file, turned as its EXIF data says; the first one of an animation.
///
/// # Errors
/// Another format, a broken file, one past the limits.
pub fn decoded(file: &[u8]) -> Result<DynamicImage, Problem> {
    let format = image::guess_format(file).ok().filter(|format| FORMATS.contains(format));
    let format = format.ok_or_else(|| refused("is no PNG, JPEG or WebP picture"))?;
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    limits.max_alloc = Some(MAX_PIXELS * PIXEL_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    // Not every decoder holds itself to the limit of memory.
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(too_large());
    }
    let orientation = match format {
        ImageFormat::WebP => exif_of_webp(file).and_then(Orientation::from_exif_chunk),
        _ => decoder.orientation().ok(),
    };
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(picture)
}

fn unreadable(error: ImageError) -> Problem {
    match error {
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => {
            refused(format!("must be at most {MAX_SIDE_PX} pixels a side"))
        }
        ImageError::Limits(_) => too_large(),
        error => refused(format!("is a broken picture: {error}")),
    }
}

fn too_large() -> Problem {
    refused(format!("must have at most {MAX_MEGAPIXELS} megapixels"))
}

/// The EXIF data of a WebP. The decoder's own way makes room for as much as the data says that it is, before it
/// looks how much there is: 4 GiB for a file of forty bytes.
fn exif_of_webp(file: &[u8]) -> Option<&[u8]> {
    let mut rest = file.get(12..)?;
    loop {
        let (name, behind) = rest.split_at_checked(4)?;
        let (length, data) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if name == b"EXIF" {
            let exif = data.get(..length)?;
            // As it stands in a JPEG, by some programs.
            return Some(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif));
        }
        rest = data.get(length.checked_next_multiple_of(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, pattern};
    use super::*;
    use image::{
        ImageEncoder, Rgb, RgbImage,
        codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    };

    fn refusal(file: &[u8]) -> String {
        let problem = decoded(file).expect_err("refused");
        let errors = problem.field_errors();
        assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["body"], "{problem}");
        errors[0].message.clone()
    }

    /// "II", 42, one entry: orientation (0x112), a short: 6, a quarter turn to the right.
    const EXIF: [u8; 26] = [73, 73, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];

    fn write_turned(mut encoder: impl ImageEncoder) {
        let left_is_black = RgbImage::from_fn(128, 64, |x, _| Rgb([if x < 64 { 0 } else { 255 }; 3]));
        encoder.set_exif_metadata(EXIF.to_vec()).expect("taken");
        DynamicImage::ImageRgb8(left_is_black).write_with_encoder(encoder).expect("written");
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_stood_up() {
        let (mut png, mut jpeg, mut webp) = (Vec::new(), Vec::new(), Vec::new());
        write_turned(PngEncoder::new(&mut png));
        write_turned(JpegEncoder::new(&mut jpeg));
        write_turned(WebPEncoder::new_lossless(&mut webp));
        for (name, file) in [("PNG", png), ("JPEG", jpeg), ("WebP", webp)] {
            let made = decoded(&file).expect("taken").into_rgb8();
            assert_eq!(made.dimensions(), (64, 128), "{name}");
            let (top, bottom) = (made.get_pixel(32, 20).0[0], made.get_pixel(32, 108).0[0]);
            assert!(top < 32 && bottom > 223, "{name}: {top} above {bottom}");
        }
    }

    /// The same file with another size in its header.
    fn with_size(mut png: Vec<u8>, width: u32, height: u32) -> Vec<u8> {
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = u32::MAX;
        for byte in &png[12..29] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        png[29..33].copy_from_slice(&(!crc).to_be_bytes());
        png
    }

    #[test]
    fn what_cannot_be_taken_is_refused_with_its_limit() {
        let png = file(pattern(64, 64), ImageFormat::Png);
        assert!(decoded(&with_size(png.clone(), 64, 64)).is_ok(), "the header's checksum is right");
        for other in [&b"GIF89a\x01\x00\x01\x00"[..], b"a red car", b"BM", b"\x89PNG", b"RIFF", b""] {
            assert_eq!(refusal(other), "is no PNG, JPEG or WebP picture");
        }
        let webp = file(pattern(64, 64), ImageFormat::WebP);
        for broken in [&png[..png.len() / 2], &png[..20], &webp[..webp.len() / 2], &webp[..20], b"\xff\xd8\xff"] {
            assert!(refusal(broken).starts_with("is a broken picture: "), "{} bytes", broken.len());
        }
        for (width, height) in [(20_000, 8), (8, 20_000), (0x7FFF_FFFF, 64)] {
            let wide = refusal(&with_size(png.clone(), width, height));
            assert_eq!(wide, "must be at most 16384 pixels a side", "{width} x {height}");
        }
        let bomb = refusal(&with_size(png, 16_000, 16_000));
        assert_eq!(bomb, "must have at most 100 megapixels");
    }

    #[test]
    fn exif_that_says_it_is_longer_than_the_file_is_not_looked_at() {
        let mut file = b"RIFF\x1a\0\0\0WEBPVP8 \x01\0\0\0\0\0EXIF\xff\xff\xff\xffII".to_vec();
        assert_eq!(exif_of_webp(&file), None);
        let length = file.len() - 6;
        file[length..length + 4].copy_from_slice(&2_u32.to_le_bytes());
        assert_eq!(exif_of_webp(&file), Some(&b"II"[..]));
        for end in 0..file.len() {
            assert_eq!(exif_of_webp(&file[..end]), None, "{end} bytes");
        }
    }
}
