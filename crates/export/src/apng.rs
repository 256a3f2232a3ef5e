//! An animated PNG: each duration exactly, as a fraction of a second.

use crate::{Error, Sequence, Watch};
use png::{BitDepth, ColorType, Compression, Encoder, EncodingError};
use std::io::Write;

pub fn write(sequence: &Sequence, out: &mut impl Write, watch: Watch<'_>) -> Result<(), Error> {
    let mut encoder = Encoder::new(out, sequence.width, sequence.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    let count = u32::try_from(sequence.stills.len()).map_err(|_| Error::Encode("too many pictures".to_owned()))?;
    encoder.set_animated(count, 0).map_err(encode)?;
    let mut writer = encoder.write_header().map_err(encode)?;
    sequence.each(watch, |place, rgb| {
        let (numerator, denominator) = fraction(sequence.stills[place].duration, sequence.fps);
        writer.set_frame_delay(numerator, denominator).map_err(encode)?;
        writer.write_image_data(rgb).map_err(encode)
    })?;
    writer.finish().map_err(encode)
}

/// Both sides are 16 bits: what is longer is told in whole seconds, 18 hours at most.
fn fraction(duration: u32, fps: u32) -> (u16, u16) {
    let (duration, fps) = (duration.max(1), fps.max(1));
    match (u16::try_from(duration), u16::try_from(fps)) {
        (Ok(duration), Ok(fps)) => (duration, fps),
        _ => (u16::try_from(duration / fps).unwrap_or(u16::MAX), 1),
    }
}

fn encode(error: EncodingError) -> Error {
    match error {
        EncodingError::IoError(error) => Error::Write(error),
        error => Error::Encode(error.to_string()),
    }
}
