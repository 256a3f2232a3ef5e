//! Writes a sequence of pictures with their durations as one file: PNGs in a ZIP, or an animation.
//!
//! Only one picture is in memory at a time, so memory does not depend on the length. The caller chooses the path, can
//! watch and cancel, and must remove an unfinished file.

mod apng;
mod canvas;
mod easing;
mod gif;
mod mp4;
mod webp;
mod zip;

pub use easing::Easing;
pub use mp4::has_ffmpeg;

use image::ImageFormat;
use std::{
    fmt,
    fs::File,
    io::{self, BufReader, BufWriter, Cursor, Read, Seek, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The unchanged picture files, `0001.png` and so on, with their durations in `sequence.json`. They are not decoded, so a
    /// damaged one is copied too.
    Zip,
    /// At most 256 colours per picture.
    Gif,
    /// Lossless, for browsers.
    Apng,
    /// Lossless, for browsers, smaller than APNG.
    Webp,
    /// H.264, encoded by `ffmpeg`, which must be installed.
    Mp4,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// The path of a PNG, JPEG or WebP file.
    File(PathBuf),
    /// The bytes of a PNG.
    Png(Vec<u8>),
    /// A PNG that is read when it is needed.
    Later(Later),
}

/// A function that reads a PNG. Equal to its clones only.
#[derive(Clone)]
pub struct Later(Arc<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>);

impl Later {
    /// It may block, and may be called more than once.
    pub fn new(read: impl Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Later {}

impl From<PathBuf> for Picture {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// A picture of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    /// The picture.
    pub picture: Picture,
    /// Duration in frames of the sequence's rate; at least 1.
    pub duration: u32,
}

/// Pictures in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The pictures.
    pub stills: Vec<Still>,
    /// Frames per second; at least 1.
    pub fps: u32,
    /// Width of an animation in pixels. A picture of another size is fitted into it, on black.
    pub width: u32,
    /// Height of an animation in pixels.
    pub height: u32,
}

/// Why no file was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The watcher cancelled.
    #[error("cancelled")]
    Cancelled,
    /// There is no picture to write.
    #[error("there is no picture to export")]
    Empty,
    /// Pictures that cannot be read; at least one.
    #[error("cannot read {}", Unreadable::list(.0))]
    Pictures(Vec<Unreadable>),
    /// The file cannot be written.
    #[error("cannot write the file: {0}")]
    Write(#[from] io::Error),
    /// An encoder failed.
    #[error("cannot encode: {0}")]
    Encode(String),
    /// `ffmpeg` is not on PATH.
    #[error("MP4 needs ffmpeg on the server's PATH")]
    NoFfmpeg,
}

/// A picture that cannot be read: missing, damaged, or not a regular file.
#[derive(Debug, thiserror::Error)]
#[error("picture {number}: {source}")]
pub struct Unreadable {
    /// Number of the picture, from 1.
    pub number: usize,
    /// The cause.
    pub source: image::ImageError,
}

impl Unreadable {
    fn list(all: &[Self]) -> String {
        all.iter().map(Self::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// What a picture is read from.
trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Called with the number of pictures done, after each picture and more often if one takes long. Can cancel.
pub type Watch<'a> = &'a mut dyn FnMut(usize) -> ControlFlow<()>;

impl Sequence {
    /// Reads all pictures, and decodes them if the format needs it. An animation takes minutes to encode, so its damaged
    /// pictures should be known before. Calls `watch` with 0 after each picture.
    ///
    /// # Errors
    /// [`Error::Pictures`] with all pictures that cannot be read, or [`Error::Cancelled`].
    pub fn check(&self, format: Format, watch: Watch<'_>) -> Result<(), Error> {
        let mut unreadable = Vec::new();
        for place in 0..self.stills.len() {
            let read = match format {
                Format::Zip => self.open(place).map(drop),
                Format::Gif | Format::Apng | Format::Webp | Format::Mp4 => self.decoded(place).map(drop),
            };
            unreadable.extend(read.err());
            if watch(0).is_break() {
                return Err(Error::Cancelled);
            }
        }
        if unreadable.is_empty() { Ok(()) } else { Err(Error::Pictures(unreadable)) }
    }

    /// Writes the sequence to `out`, replacing an existing file.
    ///
    /// # Errors
    /// An empty sequence, a picture that cannot be read, a file that cannot be written, an encoder error, or
    /// [`Error::Cancelled`].
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

    /// Duration of each picture in ticks of `1 / per_second` seconds. The end times are rounded, not the durations: at
    /// 12 frames per second a picture takes 8.33 hundredths, and forty of them take 333, not 320.
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

    /// Splits a time into values that fit the format's field; the picture is written once for each. All but the last
    /// are the maximum.
    fn parts(time: u64, most: u64) -> impl Iterator<Item = u64> {
        let whole = time.saturating_sub(1) / most;
        (0..whole).map(move |_| most).chain(std::iter::once(time - whole * most))
    }

    /// One picture at the animation's size.
    fn picture(&self, place: usize) -> Result<image::RgbImage, Error> {
        let picture = self.decoded(place).map_err(|unreadable| Error::Pictures(vec![unreadable]))?;
        Ok(canvas::fitted(picture, self.width, self.height))
    }

    fn decoded(&self, place: usize) -> Result<image::DynamicImage, Unreadable> {
        let file = BufReader::new(self.open(place)?);
        let format = match &self.stills[place].picture {
            Picture::File(path) => ImageFormat::from_path(path),
            Picture::Png(_) | Picture::Later(_) => Ok(ImageFormat::Png),
        };
        let decoded = format.and_then(|format| image::load(file, format));
        decoded.map_err(|source| Unreadable { number: place + 1, source })
    }

    /// Opens the picture's file.
    fn open(&self, place: usize) -> Result<Box<dyn ReadSeek + '_>, Unreadable> {
        match &self.stills[place].picture {
            Picture::File(path) => match regular_file::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => Err(Unreadable { number: place + 1, source: source.into() }),
            },
            Picture::Png(bytes) => Ok(Box::new(Cursor::new(bytes))),
            Picture::Later(later) => match (later.0)() {
                Ok(bytes) => Ok(Box::new(Cursor::new(bytes))),
                Err(source) => Err(Unreadable { number: place + 1, source: source.into() }),
            },
        }
    }

    /// Calls `use_it` with each picture as RGB at the animation's size, and reports each to the watcher.
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
