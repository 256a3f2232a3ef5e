//! A sequence of pictures as one file, at its durations: PNGs in a ZIP, or an animation.
//!
//! One picture is held at a time, so that the length of a sequence costs no memory. The caller says where the
//! file goes and watches; a file that was begun and not finished is the caller's to remove.

mod apng;
mod canvas;
mod gif;
mod mp4;
mod webp;
mod zip;

pub use mp4::has_ffmpeg;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Each picture as it is, `0001.png` and so on, with `sequence.json` that says how long each stands.
    Zip,
    /// At most 256 colours a picture.
    Gif,
    /// Lossless, for browsers.
    Apng,
    /// Lossless, for browsers, smaller than APNG.
    Webp,
    /// H.264, made by `ffmpeg`, which must be on the machine.
    Mp4,
}

/// A picture of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    /// Its file: PNG, JPEG or WebP.
    pub path: PathBuf,
    /// How long it stands, in frames of the sequence's rate; 1 at least.
    pub duration: u32,
}

/// Pictures in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The pictures.
    pub stills: Vec<Still>,
    /// Frames per second; 1 at least.
    pub fps: u32,
    /// Pixels from left to right of an animation. A picture of another size is fitted into it, on black.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The watcher said so.
    #[error("cancelled")]
    Cancelled,
    /// There is no picture to write.
    #[error("there is no picture to export")]
    Empty,
    /// A picture cannot be read.
    #[error("cannot read picture {number}: {source}")]
    Picture {
        /// 1 for the first.
        number: usize,
        /// Why.
        source: image::ImageError,
    },
    /// The file cannot be written.
    #[error("cannot write the file: {0}")]
    Write(#[from] io::Error),
    /// An encoder refused.
    #[error("cannot encode: {0}")]
    Encode(String),
    /// `ffmpeg` is not on PATH.
    #[error("MP4 needs ffmpeg on the server's PATH")]
    NoFfmpeg,
}

/// Told how many pictures are done, after each and more often where one takes long; may end the work.
pub type Watch<'a> = &'a mut dyn FnMut(usize) -> ControlFlow<()>;

impl Sequence {
    /// Writes the sequence to `out`, which is made anew.
    ///
    /// # Errors
    /// An empty sequence, a picture that cannot be read, a file that cannot be written, an encoder that refuses,
    /// or [`Error::Cancelled`].
    pub fn write(&self, format: Format, out: &Path, watch: Watch<'_>) -> Result<(), Error> {
        if self.stills.is_empty() {
            return Err(Error::Empty);
        }
        if format == Format::Mp4 {
            return mp4::write(self, out, watch);
        }
        let mut file = BufWriter::new(File::create(out)?);
        match format {
            Format::Zip => zip::write(self, &mut file, watch),
            Format::Gif => gif::write(self, &mut file, watch),
            Format::Apng => apng::write(self, &mut file, watch),
            Format::Webp => webp::write(self, &mut file, watch),
            Format::Mp4 => Ok(()),
        }?;
        Ok(file.flush()?)
    }

    /// How long each picture stands in ticks of `1 / per_second` s. Rounded at the ends, not each by itself: at 12
    /// frames a second a picture is 8.33 hundredths, and forty of them are 333, not 320.
    fn ticks(&self, per_second: u64) -> Vec<u64> {
        let at = |frames: u64| (frames * per_second + u64::from(self.fps) / 2) / u64::from(self.fps.max(1));
        let mut passed = 0;
        let of = |still: &Still| {
            let from = passed;
            passed += u64::from(still.duration.max(1));
            at(passed) - at(from)
        };
        self.stills.iter().map(of).collect()
    }

    /// A time as times that a format's field can hold: the picture is written once for each. All but the last are the most.
    fn parts(time: u64, most: u64) -> impl Iterator<Item = u64> {
        let whole = time.saturating_sub(1) / most;
        (0..whole).map(move |_| most).chain(std::iter::once(time - whole * most))
    }

    /// One picture, of the animation's size.
    fn picture(&self, place: usize) -> Result<image::RgbImage, Error> {
        let picture = image::open(&self.stills[place].path);
        let picture = picture.map_err(|source| Error::Picture { number: place + 1, source })?;
        Ok(canvas::fitted(picture, self.width, self.height))
    }

    /// The pictures one after the other as RGB of the animation's size, each told to the watcher when it is used.
    fn each(&self, watch: Watch<'_>, mut use_it: impl FnMut(usize, &[u8]) -> Result<(), Error>) -> Result<(), Error> {
        for place in 0..self.stills.len() {
            use_it(place, self.picture(place)?.as_raw())?;
            if watch(place + 1).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_past_a_field_are_parts_that_sum_up_to_them() {
        for (time, parts) in [(0, vec![0]), (1, vec![1]), (10, vec![10]), (11, vec![10, 1]), (30, vec![10, 10, 10])] {
            assert_eq!(Sequence::parts(time, 10).collect::<Vec<_>>(), parts);
        }
    }
}
