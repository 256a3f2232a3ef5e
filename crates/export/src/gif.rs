//! Animated GIF with a palette of 256 colours for each picture.

use crate::{Error, Sequence, Watch};
use image::{
    Delay, Frame, ImageError, RgbaImage,
    codecs::gif::{GifEncoder, Repeat},
};
use std::io::Write;

/// NeuQuant's speed, from 1 (best) to 30. 10 is its author's recommendation.
const SPEED: i32 = 10;

/// Minimum duration in hundredths of a second, GIF's unit of time: browsers treat shorter ones as ten. Above fifty
/// frames per second some pictures are left out, so that the total duration stays right.
const LEAST: u64 = 2;
/// Maximum duration: the field has 16 bits, about eleven minutes. A picture that is shown for longer is written several
/// times.
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

/// Splits a duration into values that fit the field; none is shorter than the minimum.
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
