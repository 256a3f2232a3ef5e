//! WebP, using the crate `image-webp`. The container follows the "WebP Container Specification".

use super::{Decoded, Memory, broken, check_size, of_exif};
use crate::{
    Error, Note,
    colour::Colour,
    pixels::{Channels, Pixels, Samples},
};
use image_webp::{DecodingError, WebPDecoder};
use std::io::{Cursor, ErrorKind};

pub fn decode(file: &[u8]) -> Result<Decoded, Error> {
    check_length(file)?;
    let mut decoder = open(file)?;
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    let is_animated = decoder.is_animated();
    if is_animated && channels == Channels::Rgb {
        // The background of areas that the first picture does not cover.
        decoder.set_background_color([u8::MAX; 4]).map_err(unreadable)?;
    }
    let mut values = vec![0; decoder.output_buffer_size().ok_or(Error::Pixels)?];
    decoder.read_image(&mut values).map_err(unreadable)?;
    // Parsed here: the decoder allocates the size that a chunk claims before checking how much data there is, for
    // example 4 GiB for a file of forty bytes.
    let (orientation, without_profile) = of_exif(chunk(file, b"EXIF"));
    let colour = chunk(file, b"ICCP").map_or(without_profile, |profile| Colour::Icc(profile.to_vec()));
    let notes = (is_animated && decoder.num_frames() > 1).then_some(Note::FirstPictureOnly).into_iter().collect();
    Ok(Decoded { pixels: Pixels { width, height, channels, samples: Samples::U8(values) }, colour, orientation, notes })
}

pub fn memory(file: &[u8]) -> Result<Memory, Error> {
    check_length(file)?;
    let decoder = open(file)?;
    let bytes = if decoder.has_alpha() { 4 } else { 3 };
    // The decoder's own four bytes per pixel; for an animation also its canvas.
    let aside = if decoder.is_animated() { 8 } else { 4 };
    Ok(Memory { size: decoder.dimensions(), pixel_bytes: bytes, decoding_bytes: bytes + aside })
}

/// Checks the length stored in the file. Some programs omit the byte that pads it to an even length.
fn check_length(file: &[u8]) -> Result<(), Error> {
    let length = file.get(4..).and_then(|rest| rest.first_chunk::<4>());
    let length = length.map(|length| u64::from(u32::from_le_bytes(*length)) + 8).ok_or(Error::CutShort)?;
    if file.len() as u64 + 1 < length { Err(Error::CutShort) } else { Ok(()) }
}

fn open(file: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, Error> {
    let decoder = WebPDecoder::new(Cursor::new(file)).map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    Ok(decoder)
}

/// The first chunk with this name, as far as it is in the file.
fn chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = file.get(12..)?;
    loop {
        let (found, behind) = rest.split_at_checked(4)?;
        let (length, data) = behind.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if found == name {
            return data.get(..length);
        }
        rest = data.get(length.checked_next_multiple_of(2)?..)?;
    }
}

fn unreadable(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Error::CutShort,
        error => broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_says_it_is_longer_than_the_file_is_not_looked_at() {
        let mut file = b"RIFF\x1a\0\0\0WEBPVP8 \x01\0\0\0\0\0EXIF\xff\xff\xff\xffII".to_vec();
        assert_eq!(chunk(&file, b"EXIF"), None);
        let length = file.len() - 6;
        file[length..length + 4].copy_from_slice(&2_u32.to_le_bytes());
        assert_eq!(chunk(&file, b"EXIF"), Some(&b"II"[..]));
        for end in 0..file.len() {
            assert_eq!(chunk(&file[..end], b"EXIF"), None, "{end} bytes");
        }
    }
}
