//! JPEG, by the crate `zune-jpeg`.

use super::{Decoded, Memory, broken, check_size, of_exif, segments::Segments};
use crate::{
    Error, MAX_SIDE_PX,
    colour::Colour,
    pixels::{Channels, Pixels, Samples},
};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

pub fn decode(file: &[u8]) -> Result<Decoded, Error> {
    let segments = Segments::read(file);
    let size = size(&segments)?;
    if segments.is_cut(file) || segments.misses_scans() {
        return Err(Error::CutShort);
    }
    let guarded = segments.with_guard(file);
    let (picture, values) = match read_values(&guarded, &segments, true) {
        // Bytes between two headers do no harm, and some cameras write them.
        Err(DecodeErrors::FormatStatic(why)) if why.contains("between headers") => {
            read_values(&guarded, &segments, false)
        }
        decoded => decoded,
    }
    .map_err(|error| unreadable(&error))?;
    if picture.dimensions() != Some((size.0 as usize, size.1 as usize)) {
        return Err(broken("its headers contradict each other"));
    }
    let (orientation, without_profile) = of_exif(picture.exif().map(Vec::as_slice));
    let colour = match (picture.icc_profile(), segments.profile_parts) {
        (Some(profile), _) => Colour::Icc(profile),
        (None, 0) => without_profile,
        // The profile has numbered parts, of which one is missing or duplicated.
        (None, _) => Colour::Unusable("it is broken"),
    };
    let (channels, values) = match (picture.output_colorspace(), picture.input_colorspace()) {
        (Some(ColorSpace::Luma), _) => (Channels::Grey, values),
        (Some(ColorSpace::RGB), _) => (Channels::Rgb, values),
        (Some(ColorSpace::CMYK), _) => (Channels::Cmyk, inks(values, false)),
        (Some(ColorSpace::YCCK), _) => (Channels::Cmyk, inks(values, true)),
        _ => return Err(broken("its colours are unknown")),
    };
    let pixels = Pixels { width: size.0, height: size.1, channels, samples: Samples::U8(values) };
    Ok(Decoded { pixels, colour, orientation, notes: Vec::new() })
}

pub fn memory(file: &[u8]) -> Result<Memory, Error> {
    let segments = Segments::head(file);
    let channels = segments.component_count().max(1) as u64;
    // Coefficients of 16 bits for the whole picture, unless they are stored in pixel order. This depends on the scans,
    // which come after the header. A sequential file with one component per scan is rare and needs as much memory as a
    // progressive one.
    let aside = if segments.is_progressive { 2 * channels } else { 0 };
    Ok(Memory { size: size(&segments)?, pixel_bytes: channels, decoding_bytes: channels + aside })
}

fn size(segments: &Segments) -> Result<(u32, u32), Error> {
    let (width, height) = segments.size.ok_or(Error::CutShort)?;
    check_size(width, height)?;
    match width > 0 && height > 0 {
        true => Ok((width, height)),
        false => Err(broken("it says that it has no pixels")),
    }
}

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// Returns the decoder, and the values as in the file: inks stay inks.
fn read_values<'a>(file: &'a [u8], segments: &Segments, strict: bool) -> Result<(Decoder<'a>, Vec<u8>), DecodeErrors> {
    let limit = MAX_SIDE_PX as usize;
    let options = DecoderOptions::default().set_strict_mode(strict).set_max_width(limit).set_max_height(limit);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers()?;
    let found = decoder.input_colorspace();
    let wanted = match (segments.component_count(), found) {
        (1, _) => ColorSpace::Luma,
        (4, Some(ColorSpace::YCCK)) => ColorSpace::YCCK,
        (4, _) => ColorSpace::CMYK,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let values = decoder.decode()?;
    Ok((decoder, values))
}

/// Returns inks, with 0 meaning none. Files store them inverted, as Photoshop has always written them and all readers
/// expect. The first three may be coded as luma and two colour differences.
fn inks(mut values: Vec<u8>, as_brightness: bool) -> Vec<u8> {
    for pixel in values.chunks_exact_mut(4) {
        if as_brightness {
            // The result for red, green and blue is already inverted. ITU-T T.871, 7.
            let (y, cb, cr) = (f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
            let colours = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
            // `as` from a float saturates.
            colours.iter().zip(&mut *pixel).for_each(|(colour, ink)| *ink = colour.round() as u8);
            pixel[3] = u8::MAX - pixel[3];
        } else {
            pixel.iter_mut().for_each(|ink| *ink = u8::MAX - *ink);
        }
    }
    values
}

fn unreadable(error: &DecodeErrors) -> Error {
    match error {
        DecodeErrors::ExhaustedData => Error::CutShort,
        DecodeErrors::FormatStatic(why) if why.contains("Premature end") => Error::CutShort,
        // The decoder reached the guard after the last scan.
        DecodeErrors::Format(why) if why.contains("Bad Huffman Code") => Error::CutShort,
        error => broken(error),
    }
}
