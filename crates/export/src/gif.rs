//! An animated GIF: 256 colours a picture, chosen for each.

use crate::{Error, Sequence, Watch};
use image::{
    Delay, Frame, ImageError, RgbaImage,
    codecs::gif::{GifEncoder, Repeat},
};
use std::io::Write;

/// NeuQuant's speed, 1 (best) to 30: 10 is its author's own choice.
const SPEED: i32 = 10;

/// A GIF's unit of time is a hundredth of a second, and browsers take less than two for ten. Past fifty frames a second
/// some pictures are left out, so that the whole takes the time that it should.
const LEAST: u64 = 2;
/// The field has 16 bits: eleven minutes. A picture that is shown for longer is written again.
const MOST: u64 = u16::MAX as u64;

pub fn write(sequence: &Sequence, out: &mut impl Write, watch: Watch<'_>) -> Result<(), Error> {
    let mut encoder = GifEncoder::new_with_speed(out, SPEED);
    encoder.set_repeat(Repeat::Infinite).map_err(encode)?;
    let ticks = sequence.ticks(100);
    let mut passed = 0;
    sequence.each(watch, |place, rgb| {
        passed += ticks[place];
        if passed < LEAST && place + 1 < ticks.len() {
            return Ok(());
        }
        let rgba = rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
        let picture = RgbaImage::from_raw(sequence.width, sequence.height, rgba)
            .ok_or_else(|| Error::Encode("a picture is not of the animation's size".to_owned()))?;
        for part in parts(std::mem::take(&mut passed).max(LEAST)) {
            let delay = Delay::from_numer_denom_ms(u32::try_from(10 * part).unwrap_or(u32::MAX), 1);
            encoder.encode_frame(Frame::from_parts(picture.clone(), 0, 0, delay)).map_err(encode)?;
        }
        Ok(())
    })
}

/// Hundredths as times that the field holds; none is shorter than the least.
fn parts(hundredths: u64) -> Vec<u64> {
    let mut parts: Vec<u64> = Sequence::parts(hundredths, MOST - LEAST).collect();
    if let [.., before, last] = &mut parts[..]
        && *last < LEAST
    {
        *before += *last;
        parts.pop();
    }
    parts
}

fn encode(error: ImageError) -> Error {
    match error {
        ImageError::IoError(error) => Error::Write(error),
        error => Error::Encode(error.to_string()),
    }
}
