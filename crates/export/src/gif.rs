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
        let hundredths = u32::try_from(std::mem::take(&mut passed).max(LEAST)).unwrap_or(u32::MAX / 10);
        let delay = Delay::from_numer_denom_ms(hundredths.saturating_mul(10), 1);
        encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).map_err(encode)
    })
}

fn encode(error: ImageError) -> Error {
    match error {
        ImageError::IoError(error) => Error::Write(error),
        error => Error::Encode(error.to_string()),
    }
}
