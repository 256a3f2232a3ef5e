//! Decodes an imported picture and reads the generation parameters that Emberline wrote into it, if there are any.

use image::{Rgb, RgbImage};
use picture_file::Bounds;
use protocol::{
    FieldError, NewGeneration, NewStyle, Parameters, Problem, Recommended,
    generation::limits::STRENGTH,
    project::limits::{SIDE_PX, SIDE_STEP_PX},
    style::STYLES,
};

/// Sizes that a take can have. Also used by `generate --init-image`.
pub const TAKE: Bounds = Bounds { side_px: SIDE_PX, side_step_px: SIDE_STEP_PX };

/// Maximum length of the version in a record, characters.
const MAX_VERSION_CHARS: usize = 40;

/// An imported picture, ready to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// PNG file, with the record of how it was made if there was a usable one.
    pub png: Vec<u8>,
    /// Parameters from that record, else [`Parameters::imported`].
    pub parameters: Parameters,
    /// Seed from that record, else 0.
    pub seed: u64,
    /// What was ignored in the file, by field.
    pub warnings: Vec<FieldError>,
}

/// A white picture of this size in pixels.
///
/// # Errors
/// The size is 0.
pub fn blank(width: u32, height: u32) -> Result<Imported, Problem> {
    encoded(&RgbImage::from_pixel(width, height, Rgb([u8::MAX; 3])), None, Vec::new())
}

/// Decodes a PNG, JPEG or WebP file with [`picture_file::read`]. Emberline's own record is kept if this server could
/// generate with it: every field is within its bounds and the model is one of `models`.
///
/// # Errors
/// Names the field `body`: another format, a broken file, a size beyond the limits, or a very narrow picture.
pub fn picture(file: &[u8], models: &[String]) -> Result<Imported, Problem> {
    let picture = picture_file::read(file, &TAKE).map_err(|error| refused(&error))?;
    let record = png_info::read(file).ok().and_then(|info| info.parameters);
    let record = record.and_then(|record| usable(record, picture.rgb.dimensions(), models));
    encoded(&picture.rgb, record, picture.notes.iter().map(|note| FieldError::new("body", note.to_string())).collect())
}

/// Peak memory of [`picture`] for this file, bytes.
///
/// # Errors
/// Those of [`picture`] that the file's header shows.
pub fn memory_bytes(file: &[u8]) -> Result<u64, Problem> {
    picture_file::memory_bytes(file).map_err(|error| refused(&error))
}

fn refused(error: &picture_file::Error) -> Problem {
    Problem::invalid("body", error.to_string())
}

/// The record with the size of the decoded picture. `None` if this server would reject these parameters.
fn usable(record: png_info::Parameters, size: (u32, u32), models: &[String]) -> Option<png_info::Parameters> {
    let (width, height) = size;
    let asked =
        NewGeneration { width: Some(width), height: Some(height), ..NewGeneration::from_partial(record.partial()) };
    let is_good = asked.errors().is_empty()
        && models.contains(&record.model)
        && record.strength.is_none_or(|strength| STRENGTH.contains(&strength))
        && record.styles.len() <= STYLES
        && record.styles.iter().all(|name| NewStyle { name: name.clone(), ..NewStyle::default() }.validated().is_ok())
        && record.version.chars().count() <= MAX_VERSION_CHARS;
    is_good.then_some(png_info::Parameters { width, height, ..record })
}

fn encoded(
    picture: &RgbImage,
    record: Option<png_info::Parameters>,
    warnings: Vec<FieldError>,
) -> Result<Imported, Problem> {
    let (width, height) = picture.dimensions();
    let png = png_info::encode(picture.as_raw(), width, height, record.as_ref()).map_err(|error| {
        tracing::error!(width, height, %error, "cannot encode an imported picture");
        Problem::Internal
    })?;
    // The picture that it may have started from is not on this server: `init_take_id` and `strength` stay empty.
    let imported = Parameters::imported(width, height);
    let made = record.and_then(|record| {
        let shared = record.partial().resolve(&Recommended::default()).ok()?;
        let (model, styles) = (record.model, record.styles);
        Some((Parameters { model, styles, ..imported.clone().with_shared(shared) }, record.seed))
    });
    let (parameters, seed) = made.unwrap_or((imported, 0));
    Ok(Imported { png, parameters, seed, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::ImageFormat;
    use protocol::{Sampler, Schedule};
    use test_pictures::{file, pattern};

    fn pixels(of: &Imported) -> RgbImage {
        image::load_from_memory_with_format(&of.png, ImageFormat::Png).expect("a PNG").into_rgb8()
    }

    #[test]
    fn every_format_is_stored_as_a_png() {
        let whole = pattern(72, 64);
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let made = picture(&file(whole.clone(), format), &[]).expect("taken");
            assert_eq!(pixels(&made), whole, "{format:?}");
            assert_eq!((made.parameters, made.seed), (Parameters::imported(72, 64), 0));
        }
        let odd = picture(&file(pattern(75, 71), ImageFormat::Jpeg), &[]).expect("taken");
        assert_eq!((pixels(&odd).dimensions(), odd.parameters), ((72, 64), Parameters::imported(72, 64)));
    }

    fn record() -> png_info::Parameters {
        let recommended = Recommended {
            width: 64,
            height: 64,
            steps: 7,
            cfg_scale: 4.5,
            sampler: Sampler::Dpmpp2m,
            scheduler: Schedule::Karras,
            ..Recommended::default()
        };
        let mut shared = NewGeneration::of("a red car").partial().resolve(&recommended).expect("within the limits");
        shared.negative_prompt = "rain".to_owned();
        png_info::Parameters::new(
            shared,
            42,
            "starter".to_owned(),
            Some(0.5),
            vec!["Oil".to_owned()],
            None,
            None,
            Default::default(),
            "0.1.0".to_owned(),
        )
    }

    fn import_with(record: &png_info::Parameters, size: (u32, u32)) -> Imported {
        let rgb = pattern(size.0, size.1);
        let png = png_info::encode(rgb.as_raw(), size.0, size.1, Some(record)).expect("written");
        picture(&png, &["starter".to_owned()]).expect("taken")
    }

    #[test]
    fn what_emberline_made_is_known_again() {
        let made = import_with(&record(), (64, 64));
        let (of, seed) = (&made.parameters, made.seed);
        assert_eq!((of.prompt.as_str(), of.negative_prompt.as_str(), seed), ("a red car", "rain", 42));
        assert_eq!((of.steps, of.cfg_scale, of.model.as_str()), (7, 4.5, "starter"));
        assert_eq!((of.sampler.as_str(), of.scheduler.as_str()), ("dpmpp_2m", "karras"));
        assert_eq!((of.init_take_id, of.strength, of.is_imported()), (None, None, false));
        assert_eq!(of.styles, ["Oil"]);
        assert_eq!(png_info::read(&made.png).expect("a PNG").parameters, Some(record()));
        // The size is the picture's, whatever the record says.
        let larger = png_info::Parameters { width: 512, height: 640, ..record() };
        let trimmed = import_with(&larger, (70, 64));
        assert_eq!((trimmed.parameters.width, trimmed.parameters.height), (64, 64));
        assert_eq!(png_info::read(&trimmed.png).expect("a PNG").parameters, Some(record()));
    }

    #[test]
    fn a_record_that_could_not_be_asked_for_is_none() {
        for spoilt in [
            png_info::Parameters { model: "another".to_owned(), ..record() },
            png_info::Parameters { steps: 0, ..record() },
            png_info::Parameters { cfg_scale: 31.0, ..record() },
            png_info::Parameters { sampler: "eulr".to_owned(), ..record() },
            png_info::Parameters { scheduler: String::new(), ..record() },
            png_info::Parameters { seed: 1 << 53, ..record() },
            png_info::Parameters { prompt: "x".repeat(10_001), ..record() },
            png_info::Parameters { negative_prompt: "x".repeat(10_001), ..record() },
            png_info::Parameters { strength: Some(-0.5), ..record() },
            png_info::Parameters { version: "1".repeat(41), ..record() },
            png_info::Parameters { styles: vec!["x".to_owned(); STYLES + 1], ..record() },
            png_info::Parameters { styles: vec!["x".repeat(121)], ..record() },
        ] {
            let made = import_with(&spoilt, (64, 64));
            assert_eq!((made.parameters, made.seed), (Parameters::imported(64, 64), 0));
            assert_eq!(png_info::read(&made.png).expect("a PNG"), png_info::Info::default());
        }
    }

    #[test]
    fn a_blank_picture_is_white() {
        let made = blank(64, 128).expect("made");
        assert_eq!(pixels(&made), RgbImage::from_pixel(64, 128, Rgb([255; 3])));
        assert_eq!((made.parameters, made.seed), (Parameters::imported(64, 128), 0));
        assert_eq!(blank(0, 64), Err(Problem::Internal));
    }
}
