//! Animated PNG. Durations are exact: fractions of a second.

use crate::{Error, Sequence, Watch};
use png::{BitDepth, ColorType, Compression, Encoder, EncodingError};
use std::io::Write;

/// Numerator and denominator have 16 bits. A picture that is shown for longer is written several times.
const MOST: u16 = u16::MAX;

pub fn write(sequence: &Sequence, out: &mut impl Write, watch: Watch<'_>) -> Result<(), Error> {
    let rate = u16::try_from(sequence.fps.max(1))
        .map_err(|_| Error::Encode(format!("an APNG has at most {MOST} frames a second, not {}", sequence.fps)))?;
    let parts = |place: usize| Sequence::parts(sequence.stills[place].duration.max(1).into(), MOST.into());
    let count: usize = (0..sequence.stills.len()).map(|place| parts(place).count()).sum();
    let mut encoder = Encoder::new(out, sequence.width, sequence.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    let count = u32::try_from(count).map_err(|_| Error::Encode("too many pictures".to_owned()))?;
    encoder.set_animated(count, 0).map_err(encode)?;
    let mut writer = encoder.write_header().map_err(encode)?;
    sequence.each(watch, |place, rgb| {
        for part in parts(place) {
            writer.set_frame_delay(u16::try_from(part).unwrap_or(MOST), rate).map_err(encode)?;
            writer.write_image_data(rgb).map_err(encode)?;
        }
        Ok(())
    })?;
    writer.finish().map_err(encode)
}

fn encode(error: EncodingError) -> Error {
    match error {
        EncodingError::IoError(error) => Error::Write(error),
        error => Error::Encode(error.to_string()),
    }
}
