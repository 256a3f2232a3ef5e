//! Animated WebP with lossless pictures. `image-webp` encodes the pictures but not the animation container, which is
//! written here: Google's "WebP Container Specification" (VP8X, ANIM, ANMF).

use crate::{Error, Sequence, Watch};
use image_webp::{ColorType, EncodingError, WebPEncoder};
use std::io::{Seek, SeekFrom, Write};

/// VP8X: "the file has an animation".
const ANIMATION: u8 = 1 << 1;
/// ANMF: "do not blend with the previous canvas"; the pictures are opaque and cover it completely.
const DO_NOT_BLEND: u8 = 1 << 1;
/// Maximum duration: 24 bits of milliseconds, about four and a half hours. A picture that is shown for longer is
/// written several times.
const MOST_MS: u64 = (1 << 24) - 1;

pub fn write(sequence: &Sequence, out: &mut (impl Write + Seek), watch: Watch<'_>) -> Result<(), Error> {
    let start = out.stream_position()?;
    out.write_all(b"RIFF\0\0\0\0WEBP")?;
    let canvas = [minus_one(sequence.width), minus_one(sequence.height)].concat();
    chunk(out, b"VP8X", &[&[ANIMATION, 0, 0, 0], canvas.as_slice()].concat())?;
    // The background colour, then the number of loops: 0 means infinite.
    chunk(out, b"ANIM", &[0, 0, 0, 255, 0, 0])?;
    let ticks = sequence.ticks(1000);
    sequence.each(watch, |place, rgb| {
        let mut still = Vec::new();
        WebPEncoder::new(&mut still).encode(rgb, sequence.width, sequence.height, ColorType::Rgb8).map_err(encode)?;
        for part in Sequence::parts(ticks[place], MOST_MS) {
            let mut frame = vec![0; 6];
            frame.extend(&canvas);
            frame.extend(&part.to_le_bytes()[..3]);
            frame.push(DO_NOT_BLEND);
            frame.extend(bitstream(&still)?);
            chunk(out, b"ANMF", &frame)?;
        }
        Ok(())
    })?;
    let end = out.stream_position()?;
    let size = u32::try_from(end - start - 8).map_err(|_| Error::Encode("a WebP holds 4 GiB at most".to_owned()))?;
    out.seek(SeekFrom::Start(start + 4))?;
    out.write_all(&size.to_le_bytes())?;
    out.seek(SeekFrom::Start(end))?;
    Ok(())
}

/// Sides are stored minus one, in 24 bits.
fn minus_one(side: u32) -> Vec<u8> {
    side.saturating_sub(1).to_le_bytes()[..3].to_vec()
}

/// The picture's own chunk, `VP8L` with its header, from a file with one picture.
fn bitstream(still: &[u8]) -> Result<&[u8], Error> {
    let mut rest = still.get(12..).unwrap_or_default();
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let padded = length + length % 2;
        if &head[..4] == b"VP8L" {
            return rest.get(..8 + padded).ok_or_else(|| Error::Encode("a picture was cut short".to_owned()));
        }
        rest = body.get(padded..).unwrap_or_default();
    }
    Err(Error::Encode("a picture was not encoded losslessly".to_owned()))
}

/// Writes a chunk. Chunks start at even offsets.
fn chunk(out: &mut impl Write, name: &[u8; 4], data: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(data.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    out.write_all(name)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(data)?;
    if data.len() % 2 == 1 { out.write_all(&[0]) } else { Ok(()) }
}

fn encode(error: EncodingError) -> Error {
    match error {
        EncodingError::IoError(error) => Error::Write(error),
        error => Error::Encode(error.to_string()),
    }
}
