//! PNG pictures that carry what they were made from: the `parameters` text that A1111's "PNG Info" and most
//! other tools read, and Emberline's own JSON, which loses nothing.

mod parameters;

pub use parameters::Parameters;

use png::text_metadata::{ITXtChunk, ZTXtChunk};
use std::io::{BufReader, Cursor, Read};

/// The keyword under which A1111 and its kin keep their text.
pub const A1111_KEYWORD: &str = "parameters";
/// The keyword under which Emberline keeps its JSON.
pub const JSON_KEYWORD: &str = "emberline";

/// Why a PNG could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pixels are not `width * height * 3` bytes.
    #[error("a picture of {width} x {height} pixels has {expected} bytes, not {found}")]
    Size {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
        /// `3 * width * height`.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The encoder refused.
    #[error("cannot write the PNG: {0}")]
    Write(#[from] png::EncodingError),
    /// The parameters could not be put into words.
    #[error("cannot write the parameters: {0}")]
    Json(#[from] serde_json::Error),
    /// It is no PNG, or a broken one.
    #[error("not a readable PNG: {0}")]
    Read(#[from] png::DecodingError),
}

/// A PNG of 8-bit RGB pixels, `[height, width, 3]` row-major, with its parameters when there are some.
///
/// # Errors
/// Pixels that do not fit the size; a size of 0.
pub fn encode(rgb: &[u8], width: u32, height: u32, parameters: Option<&Parameters>) -> Result<Vec<u8>, Error> {
    write(rgb, width, height, parameters, png::Compression::Balanced)
}

/// A PNG for a moment: several times quicker to make and a little larger, without parameters.
///
/// # Errors
/// As [`encode`].
pub fn encode_quickly(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, Error> {
    write(rgb, width, height, None, png::Compression::Fast)
}

fn write(
    rgb: &[u8],
    width: u32,
    height: u32,
    parameters: Option<&Parameters>,
    compression: png::Compression,
) -> Result<Vec<u8>, Error> {
    let expected = 3 * width as usize * height as usize;
    if rgb.len() != expected {
        return Err(Error::Size { width, height, expected, found: rgb.len() });
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(compression);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    if let Some(parameters) = parameters {
        add_text(&mut encoder, A1111_KEYWORD, parameters.to_a1111())?;
        add_text(&mut encoder, JSON_KEYWORD, serde_json::to_string(parameters)?)?;
    }
    encoder.write_header()?.write_image_data(rgb)?;
    Ok(out)
}

/// As Pillow does, and so A1111: Latin-1 text in a `tEXt` chunk, any other in `iTXt`.
fn add_text<W: std::io::Write>(encoder: &mut png::Encoder<'_, W>, keyword: &str, text: String) -> Result<(), Error> {
    if text.chars().all(|c| u32::from(c) < 256) {
        encoder.add_text_chunk(keyword.to_owned(), text)?;
    } else {
        encoder.add_itxt_chunk(keyword.to_owned(), text)?;
    }
    Ok(())
}

/// What a PNG says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// Emberline's own record, when there is one that can be read.
    pub parameters: Option<Parameters>,
    /// The `parameters` text as it stands, by whichever program.
    pub a1111: Option<String>,
}

/// The longest compressed text that is taken in, bytes: a megabyte of zeros can call itself a gigabyte of text.
const LONGEST_TEXT: usize = 1 << 20;
/// How many texts of either keyword are looked at, for each may be as long.
const MOST_TEXTS: usize = 16;

/// Reads the texts of a PNG; its pixels are not decoded. A compressed text past 1 MiB is passed over.
///
/// # Errors
/// What is no PNG, or broken before its picture ends.
pub fn read(bytes: &[u8]) -> Result<Info, Error> {
    read_from(Cursor::new(bytes))
}

fn read_from(source: impl Read + std::io::Seek) -> Result<Info, Error> {
    let limits = png::Limits { bytes: 64 << 20 };
    let mut reader = png::Decoder::new_with_limits(BufReader::new(source), limits).read_info()?;
    // Text may stand behind the picture too.
    reader.finish()?;
    let info = reader.info();
    let ours = |keyword: &str| [A1111_KEYWORD, JSON_KEYWORD].contains(&keyword);
    let plain = info.uncompressed_latin1_text.iter().filter(|chunk| ours(&chunk.keyword));
    let zipped = info.compressed_latin1_text.iter().filter(|chunk| ours(&chunk.keyword));
    let unicode = info.utf8_text.iter().filter(|chunk| ours(&chunk.keyword));
    let plain = plain.map(|chunk| (&chunk.keyword, Some(chunk.text.clone())));
    let zipped = zipped
        .map(|chunk| (&chunk.keyword, short_text(chunk, ZTXtChunk::decompress_text_with_limit, ZTXtChunk::get_text)));
    let unicode = unicode
        .map(|chunk| (&chunk.keyword, short_text(chunk, ITXtChunk::decompress_text_with_limit, ITXtChunk::get_text)));
    let mut found = Info::default();
    for (keyword, text) in plain.chain(zipped).chain(unicode).take(MOST_TEXTS) {
        match (keyword.as_str(), text) {
            (A1111_KEYWORD, Some(text)) => found.a1111 = Some(text),
            // Another version's record may not fit; the text beside it still does.
            (JSON_KEYWORD, Some(text)) => found.parameters = serde_json::from_str(&text).ok(),
            _ => {}
        }
    }
    Ok(found)
}

/// A chunk's text, if it is within the limit; the two kinds of chunk share no trait.
fn short_text<C: Clone>(
    chunk: &C,
    inflate: fn(&mut C, usize) -> Result<(), png::DecodingError>,
    text: fn(&C) -> Result<String, png::DecodingError>,
) -> Option<String> {
    let mut chunk = chunk.clone();
    inflate(&mut chunk, LONGEST_TEXT).ok()?;
    text(&chunk).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(prompt: &str) -> Parameters {
        Parameters {
            prompt: prompt.to_owned(),
            negative_prompt: "blurry".to_owned(),
            width: 2,
            height: 1,
            steps: 20,
            cfg_scale: 4.5,
            sampler: "dpmpp_2m".to_owned(),
            scheduler: "karras".to_owned(),
            seed: (1 << 53) - 1,
            model: "sdxl_base".to_owned(),
            strength: None,
            version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn any_script_survives_and_the_pixels_too() {
        for prompt in ["a red car", "une forêt dorée", "龍の物語 🐉", "line one\nline two", ""] {
            let made = parameters(prompt);
            let rgb = [255, 0, 0, 0, 128, 255];
            let file = encode(&rgb, 2, 1, Some(&made)).expect("written");
            let info = read(&file).expect("read");
            assert_eq!(info.parameters.as_ref(), Some(&made));
            assert_eq!(info.a1111, Some(made.to_a1111()));

            let mut reader = png::Decoder::new(Cursor::new(&file)).read_info().expect("a PNG");
            let mut pixels = vec![0; 6];
            reader.next_frame(&mut pixels).expect("decoded");
            assert_eq!(pixels, rgb);
        }
    }

    #[test]
    fn a_picture_without_a_record_says_nothing() {
        let file = encode(&[0; 3], 1, 1, None).expect("written");
        assert_eq!(read(&file).expect("read"), Info::default());
    }

    #[test]
    fn a_compressed_text_is_read_up_to_its_limit() {
        let zipped = |text: String| {
            let mut file = Vec::new();
            let mut encoder = png::Encoder::new(&mut file, 1, 1);
            encoder.set_color(png::ColorType::Rgb);
            encoder.add_ztxt_chunk(A1111_KEYWORD.to_owned(), text.clone()).expect("a text");
            encoder.add_itxt_chunk("Comment".to_owned(), text).expect("a text");
            encoder.write_header().expect("a header").write_image_data(&[0; 3]).expect("written");
            file
        };
        let short = read(&zipped("a red fox".to_owned())).expect("read");
        assert_eq!(short.a1111.as_deref(), Some("a red fox"));
        assert_eq!(read(&zipped("0".repeat(LONGEST_TEXT + 1))).expect("read"), Info::default());
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        assert!(matches!(encode(&[0; 5], 2, 1, None), Err(Error::Size { expected: 6, found: 5, .. })));
        assert!(encode(&[], 0, 0, None).is_err());
        let file = encode(&[0; 3], 1, 1, Some(&parameters("x"))).expect("written");
        for broken in [&b"GIF89a"[..], &[], &file[..file.len() / 2]] {
            assert!(read(broken).is_err(), "{} bytes", broken.len());
        }
    }
}
