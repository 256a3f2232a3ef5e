//! Pictures that contain a record of how they were made.
//!
//! Written: PNGs with the `parameters` text that A1111's "PNG Info" and most other tools read, and Emberline's own
//! JSON, which is lossless. Read: PNG, JPEG and WebP files with records of Emberline, A1111 and the programs that share
//! its format, ComfyUI, InvokeAI, NovelAI, SwarmUI, Fooocus, Easy Diffusion and Draw Things.

mod comfyui;
mod container;
mod detect;
mod hash;
mod infotext;
mod json;
mod loras;
pub mod names;
mod parameters;
mod programs;
mod record;

pub use generation::PartialParameters;
pub use infotext::Infotext;
pub use parameters::Parameters;
pub use record::{NotApplied, Record};

/// The keyword under which A1111 and related programs store their text.
pub const A1111_KEYWORD: &str = "parameters";
/// The keyword under which Emberline stores its JSON.
pub const JSON_KEYWORD: &str = "emberline";

/// Why a PNG could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pixels are not `width * height * 3` bytes.
    #[error("a picture of {width} x {height} pixels has {expected} bytes, not {found}")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// `3 * width * height`.
        expected: usize,
        /// The number of bytes given.
        found: usize,
    },
    /// The encoder failed.
    #[error("cannot write the PNG: {0}")]
    Write(#[from] png::EncodingError),
    /// The parameters could not be serialised.
    #[error("cannot write the parameters: {0}")]
    Json(#[from] serde_json::Error),
    /// The file has an unsupported format.
    #[error("is no PNG, JPEG or WebP picture")]
    Format,
    /// The file ends or is damaged before its pixels start.
    #[error("is a broken {format} file: it ends before its pixels begin")]
    Broken {
        /// The format indicated by its first bytes.
        format: &'static str,
    },
}

/// Encodes 8-bit RGB pixels, `[height, width, 3]` row-major, as PNG, with `parameters` if given.
///
/// # Errors
/// The number of pixels does not match the size, or the size is 0.
pub fn encode(rgb: &[u8], width: u32, height: u32, parameters: Option<&Parameters>) -> Result<Vec<u8>, Error> {
    write(rgb, width, height, parameters, png::Compression::Balanced)
}

/// Encodes a temporary PNG: several times faster and a little larger, without parameters.
///
/// # Errors
/// The same as [`encode`].
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

/// Writes Latin-1 text as a `tEXt` chunk, other text as `iTXt`, like Pillow and therefore A1111. Latin-1 that is also
/// valid UTF-8 goes into `iTXt` too: readers that expect UTF-8 in `tEXt` would read different text.
fn add_text<W: std::io::Write>(encoder: &mut png::Encoder<'_, W>, keyword: &str, text: String) -> Result<(), Error> {
    let latin1: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    let is_clear = latin1.is_some_and(|bytes| bytes.is_ascii() || std::str::from_utf8(&bytes).is_err());
    if is_clear {
        encoder.add_text_chunk(keyword.to_owned(), text)?;
    } else {
        encoder.add_itxt_chunk(keyword.to_owned(), text)?;
    }
    Ok(())
}

/// The information in a picture file's texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// Emberline's own record, if there is one and it can be parsed.
    pub parameters: Option<Parameters>,
    /// The text in A1111's format, unchanged: a PNG's `parameters`, or a user comment in that format.
    pub a1111: Option<String>,
    /// The record with Emberline's names, whichever program wrote it.
    pub record: Option<Record>,
}

/// Whether a file that starts with `head` is a PNG, JPEG or WebP picture. 12 bytes are enough.
pub fn is_picture(head: &[u8]) -> bool {
    container::is_picture(head)
}

/// Reads the texts of a PNG, JPEG or WebP file. Pixels are not decoded and may be damaged. Texts longer than 1 MiB are
/// ignored.
///
/// # Errors
/// An unsupported format, or a file that ends before its pixels start.
pub fn read(bytes: &[u8]) -> Result<Info, Error> {
    Ok(detect::info(&container::texts(bytes)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn parameters(prompt: &str) -> Parameters {
        let shared = generation::GenerationParameters {
            prompt: prompt.to_owned(),
            negative_prompt: "blurry".to_owned(),
            width: 2,
            height: 1,
            steps: 20,
            cfg_scale: 4.5,
            ..Default::default()
        };
        Parameters::new(
            shared,
            (1 << 53) - 1,
            "sdxl_base".to_owned(),
            None,
            vec!["Oil".to_owned()],
            None,
            None,
            Default::default(),
            "0.1.0".to_owned(),
        )
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
        assert_eq!(read(&zipped("0".repeat(container::MAX_TEXT_BYTES + 1))).expect("read"), Info::default());
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
