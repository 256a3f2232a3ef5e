//! PNG, using the crate `png`. Colour chunks are read according to "PNG Specification (Third Edition)", 4.3.

use super::{Decoded, Memory, broken, check_size, of_exif};
use crate::{
    Error, Note,
    colour::Colour,
    pixels::{Channels, Pixels, Samples},
};
use png::{BitDepth, ColorType, Decoder, DecodingError, Info, Limits, Reader, Transformations};
use std::io::{Cursor, ErrorKind};

/// Limit in bytes for the decoder's memory besides the pixels, for a profile or a palette: a profile of a few kilobytes
/// can expand to far more.
const ASIDE_BYTES: usize = 32 << 20;

pub fn decode(file: &[u8]) -> Result<Decoded, Error> {
    let mut reader = open(file)?;
    let (channels, depth) = layout(&reader)?;
    let (width, height) = reader.info().size();
    let bytes = reader.output_buffer_size().ok_or(Error::Pixels)?;
    let samples = match depth {
        BitDepth::Sixteen => {
            let mut values = vec![0_u16; bytes / 2];
            reader.next_frame(bytemuck::cast_slice_mut(&mut values)).map_err(unreadable)?;
            values.iter_mut().for_each(|value| *value = u16::from_be(*value));
            Samples::U16(values)
        }
        _ => {
            let mut values = vec![0; bytes];
            reader.next_frame(&mut values).map_err(unreadable)?;
            Samples::U8(values)
        }
    };
    let info = reader.info();
    let (orientation, without_profile) = of_exif(info.exif_metadata.as_deref());
    let colour = colour(info, file).unwrap_or(without_profile);
    let is_animated = info.animation_control.is_some_and(|control| control.num_frames > 1);
    let notes = is_animated.then_some(Note::FirstPictureOnly).into_iter().collect();
    Ok(Decoded { pixels: Pixels { width, height, channels, samples }, colour, orientation, notes })
}

pub fn memory(file: &[u8]) -> Result<Memory, Error> {
    let reader = open(file)?;
    let (channels, depth) = layout(&reader)?;
    let bytes = channels.count() as u64 * if depth == BitDepth::Sixteen { 2 } else { 1 };
    Ok(Memory { size: reader.info().size(), pixel_bytes: bytes, decoding_bytes: bytes })
}

fn open(file: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Error> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: ASIDE_BYTES });
    decoder.set_ignore_text_chunk(true);
    // Expands palettes and less than 8 bits to 8 bits, and a transparent colour to alpha. 16 bits stay.
    decoder.set_transformations(Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(unreadable)?;
    check_size(info.width, info.height)?;
    decoder.read_info().map_err(unreadable)
}

fn layout(reader: &Reader<Cursor<&[u8]>>) -> Result<(Channels, BitDepth), Error> {
    let (color, depth) = reader.output_color_type();
    let channels = match color {
        ColorType::Grayscale => Channels::Grey,
        ColorType::GrayscaleAlpha => Channels::GreyAlpha,
        ColorType::Rgb => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
        ColorType::Indexed => return Err(broken("its palette is missing")),
    };
    match depth {
        BitDepth::Eight | BitDepth::Sixteen => Ok((channels, depth)),
        _ => Err(broken("its depth is unknown")),
    }
}

/// The colour information of the chunk with the highest priority.
fn colour(info: &Info<'_>, file: &[u8]) -> Option<Colour> {
    if let Some(points) = &info.coding_independent_code_points {
        return Some(match points.is_video_full_range_image && points.matrix_coefficients == 0 {
            true => Colour::CodePoints { primaries: points.color_primaries, transfer: points.transfer_function },
            false => Colour::Unusable("its values are a video's"),
        });
    }
    if let Some(profile) = &info.icc_profile {
        return Some(Colour::Icc(profile.to_vec()));
    }
    if info.srgb.is_some() {
        return Some(Colour::Srgb);
    }
    // The decoder ignores a profile that it cannot unpack.
    if has_profile(file) {
        return Some(Colour::Unusable("it is broken"));
    }
    let gamma = info.gama_chunk.map(|gamma| gamma.into_value()).filter(|gamma| *gamma > 0.0);
    let chromaticities = info
        .chrm_chunk
        .map(|of| [of.white, of.red, of.green, of.blue].map(|point| (point.0.into_value(), point.1.into_value())));
    (gamma.is_some() || chromaticities.is_some()).then_some(Colour::Measured { chromaticities, gamma })
}

/// Whether there is a profile before the pixels.
fn has_profile(file: &[u8]) -> bool {
    let mut rest = file.get(8..).unwrap_or_default();
    while let Some((head, behind)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        match &head[4..] {
            b"iCCP" => return true,
            b"IDAT" => return false,
            _ => {}
        }
        rest = length.checked_add(4).and_then(|length| behind.get(length..)).unwrap_or_default();
    }
    false
}

fn unreadable(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Error::CutShort,
        DecodingError::LimitsExceeded => broken("what stands beside its pixels is too large"),
        error => broken(error),
    }
}
