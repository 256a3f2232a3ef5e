//! Converts from a file's colour space to sRGB.

use crate::{
    Error, Note,
    pixels::{Channels, Pixels, Samples},
};
use image::RgbImage;
use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, CmsError, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, RenderingIntent, ToneReprCurve, TransferCharacteristics, TransformOptions,
};

/// The colour information of a file.
#[derive(Clone, Debug)]
pub enum Colour {
    /// sRGB, or no information: on the web this means sRGB.
    Srgb,
    /// An ICC profile.
    Icc(Vec<u8>),
    /// Adobe RGB (1998), indicated without a profile.
    AdobeRgb,
    /// The code points of ITU-T H.273.
    CodePoints {
        /// Colour primaries, table 2.
        primaries: u8,
        /// Transfer characteristics, table 3.
        transfer: u8,
    },
    /// PNG's own chunks: chromaticities and an exponent.
    Measured {
        /// White, red, green, blue, each as x and y; sRGB's if absent.
        chromaticities: Option<[(f32, f32); 4]>,
        /// The exponent from light to value, usually 0.45455; sRGB's curve if absent.
        gamma: Option<f32>,
    },
    /// Information that cannot be used.
    Unusable(&'static str),
}

/// Tolerance in the comparison of values before and after a conversion: within it a profile is sRGB.
const SAME: i16 = 1;
/// Values per channel that are used to test whether a profile is sRGB.
const TRIED: [u8; 9] = [0, 1, 16, 48, 90, 128, 180, 220, 255];

/// Converts to 8-bit sRGB on white. If a profile cannot be used, adds a note and uses the values unchanged.
///
/// # Errors
/// A high dynamic range picture.
pub fn to_srgb(pixels: Pixels, colour: &Colour, notes: &mut Vec<Note>) -> Result<RgbImage, Error> {
    let profile = match profile(colour, pixels.channels)? {
        Source::Srgb => None,
        Source::Profile(profile) => Some(profile),
        Source::Unusable(why) => {
            notes.push(Note::ProfileIgnored { why });
            None
        }
    };
    let (width, height) = (pixels.width, pixels.height);
    let converted = profile.and_then(|profile| match convert(&pixels, &profile) {
        Ok(converted) => converted,
        Err(_) => {
            notes.push(Note::ProfileIgnored { why: "it cannot be used for such pixels" });
            None
        }
    });
    let (values, has_alpha) = match converted {
        Some(converted) => converted,
        None => {
            if pixels.channels == Channels::Cmyk {
                notes.push(Note::InksWithoutProfile);
            }
            as_they_are(pixels)
        }
    };
    let rgb = if has_alpha { on_white(&values) } else { values };
    RgbImage::from_raw(width, height, rgb).ok_or_else(|| Error::Broken("its pixels are not of its size".to_owned()))
}

enum Source {
    Srgb,
    Profile(Box<ColorProfile>),
    Unusable(&'static str),
}

fn profile(colour: &Colour, channels: Channels) -> Result<Source, Error> {
    Ok(match colour {
        Colour::Srgb => Source::Srgb,
        Colour::AdobeRgb => Source::Profile(Box::new(ColorProfile::new_adobe_rgb())),
        Colour::Unusable(why) => Source::Unusable(why),
        Colour::Icc(bytes) => of_icc(bytes, channels),
        Colour::CodePoints { primaries, transfer } => of_code_points(*primaries, *transfer)?,
        Colour::Measured { chromaticities, gamma } => of_measured(*chromaticities, *gamma),
    })
}

fn of_icc(bytes: &[u8], channels: Channels) -> Source {
    let Ok(profile) = ColorProfile::new_from_slice(bytes) else { return Source::Unusable("it is broken") };
    let fits = match profile.color_space {
        // Many programs write grey pictures with an RGB profile: grey is converted as three equal colours.
        DataColorSpace::Rgb => channels != Channels::Cmyk,
        DataColorSpace::Gray => matches!(channels, Channels::Grey | Channels::GreyAlpha),
        DataColorSpace::Cmyk => channels == Channels::Cmyk,
        _ => false,
    };
    match fits {
        true => Source::Profile(Box::new(profile)),
        false => Source::Unusable("it is for another kind of pixels"),
    }
}

fn of_code_points(primaries: u8, transfer: u8) -> Result<Source, Error> {
    match TransferCharacteristics::try_from(transfer) {
        Ok(TransferCharacteristics::Smpte2084) => return Err(Error::HighRange { transfer: "PQ" }),
        Ok(TransferCharacteristics::Hlg) => return Err(Error::HighRange { transfer: "HLG" }),
        _ => {}
    }
    let (Ok(color_primaries), Ok(transfer_characteristics)) =
        (CicpColorPrimaries::try_from(primaries), TransferCharacteristics::try_from(transfer))
    else {
        return Ok(Source::Unusable("its code points are unknown"));
    };
    let (matrix_coefficients, full_range) = (MatrixCoefficients::Identity, true);
    let mut profile = ColorProfile::new_srgb();
    (profile.red_trc, profile.green_trc, profile.blue_trc) = (None, None, None);
    profile.update_rgb_colorimetry_from_cicp(CicpProfile {
        color_primaries,
        transfer_characteristics,
        matrix_coefficients,
        full_range,
    });
    Ok(match profile.is_matrix_shaper() {
        true => Source::Profile(Box::new(profile)),
        false => Source::Unusable("its code points name no colour space"),
    })
}

/// PNG's chunks with sRGB's own numbers mean sRGB: libpng and browsers read 0.45455 as its curve.
fn of_measured(chromaticities: Option<[(f32, f32); 4]>, gamma: Option<f32>) -> Source {
    const SRGB: [(f32, f32); 4] = [(0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)];
    let is_near = |a: f32, b: f32| (a - b).abs() < 0.003;
    let chromaticities =
        chromaticities.filter(|of| !of.iter().zip(SRGB).all(|(a, b)| is_near(a.0, b.0) && is_near(a.1, b.1)));
    // With chromaticities other than sRGB's the number is a real exponent.
    let is_srgb_curve = |gamma: f32| chromaticities.is_none() && (0.43..0.48).contains(&gamma);
    let exponent = gamma.filter(|gamma| !is_srgb_curve(*gamma)).map(|gamma| 1.0 / gamma);
    if chromaticities.is_none() && exponent.is_none() {
        return Source::Srgb;
    }
    let mut profile = ColorProfile::new_srgb();
    if let Some([white, red, green, blue]) = chromaticities {
        let point = |(x, y)| Chromaticity::new(x, y);
        let primaries = ColorPrimaries { red: point(red), green: point(green), blue: point(blue) };
        profile.update_rgb_colorimetry(point(white).to_xyyb(), primaries);
    }
    if let Some(exponent) = exponent {
        let curve = ToneReprCurve::Parametric(vec![exponent]);
        profile.red_trc = Some(curve.clone());
        profile.green_trc = Some(curve.clone());
        profile.blue_trc = Some(curve);
    }
    profile.cicp = None;
    let colorants = [profile.red_colorant, profile.green_colorant, profile.blue_colorant];
    // Reject values that are not colours: degenerate primaries, or a white point outside their gamut.
    let is_sound = colorants.iter().all(|of| [of.x, of.y, of.z].iter().all(|value| value.abs() < 10.0) && of.y > 0.0);
    match is_sound && exponent.is_none_or(|exponent| (0.1..=10.0).contains(&exponent)) {
        true => Source::Profile(Box::new(profile)),
        false => Source::Unusable("its chromaticities or its gamma are no colour space"),
    }
}

/// Returns sRGB values, and whether every fourth value is the alpha. `None` if the profile is sRGB.
fn convert(pixels: &Pixels, profile: &ColorProfile) -> Result<Option<(Vec<u8>, bool)>, CmsError> {
    let options = TransformOptions {
        rendering_intent: RenderingIntent::Perceptual,
        // Use the profile's own curves, which were measured.
        allow_use_cicp_transfer: false,
        prefer_fixed_point: false,
        ..TransformOptions::default()
    };
    let srgb = ColorProfile::new_srgb();
    let has_alpha = matches!(pixels.channels, Channels::GreyAlpha | Channels::Rgba);
    let to = if has_alpha { Layout::Rgba } else { Layout::Rgb };
    let spread = |from_grey: bool| match (pixels.channels, from_grey) {
        (Channels::Grey, true) => Layout::Gray,
        (Channels::GreyAlpha, true) => Layout::GrayAlpha,
        (Channels::Grey | Channels::Rgb, _) => Layout::Rgb,
        _ => Layout::Rgba,
    };
    let from = spread(profile.color_space == DataColorSpace::Gray);
    let is_srgb = from == to && is_identity(&*profile.create_transform_8bit(from, &srgb, to, options)?, from)?;
    if is_srgb {
        return Ok(None);
    }
    let is_grey_in_rgb = matches!(pixels.channels, Channels::Grey | Channels::GreyAlpha) && from == to;
    let count = pixels.width as usize * pixels.height as usize * to.channels();
    let values = match &pixels.samples {
        Samples::U8(values) => {
            let transform = profile.create_transform_8bit(from, &srgb, to, options)?;
            let mut out = vec![0; count];
            match is_grey_in_rgb {
                true => transform.transform(&grey_spread(values, pixels.channels), &mut out)?,
                false => transform.transform(values, &mut out)?,
            }
            out
        }
        Samples::U16(values) => {
            let transform = profile.create_transform_16bit(from, &srgb, to, options)?;
            let mut out = vec![0_u16; count];
            match is_grey_in_rgb {
                true => transform.transform(&grey_spread(values, pixels.channels), &mut out)?,
                false => transform.transform(values, &mut out)?,
            }
            out.iter().map(|value| narrow(*value)).collect()
        }
    };
    Ok(Some((values, has_alpha)))
}

/// Whether a transform changes no value except for rounding. Many files contain sRGB's own profile, and their pixels
/// must stay unchanged.
fn is_identity(transform: &dyn moxcms::TransformExecutor<u8>, layout: Layout) -> Result<bool, CmsError> {
    let mut values = Vec::new();
    for red in TRIED {
        for green in TRIED {
            for blue in TRIED {
                values.extend([red, green, blue]);
                values.extend(layout.has_alpha().then_some(u8::MAX));
            }
        }
    }
    let mut out = vec![0; values.len()];
    transform.transform(&values, &mut out)?;
    Ok(values.iter().zip(&out).all(|(a, b)| (i16::from(*a) - i16::from(*b)).abs() <= SAME))
}

/// Expands grey to three equal colours.
fn grey_spread<T: Copy>(values: &[T], channels: Channels) -> Vec<T> {
    match channels {
        Channels::GreyAlpha => values.chunks_exact(2).flat_map(|of| [of[0], of[0], of[0], of[1]]).collect(),
        _ => values.iter().flat_map(|grey| [*grey; 3]).collect(),
    }
}

/// Values that are sRGB already, or are used as sRGB.
fn as_they_are(pixels: Pixels) -> (Vec<u8>, bool) {
    let values = match pixels.samples {
        Samples::U8(values) => values,
        Samples::U16(values) => values.iter().map(|value| narrow(*value)).collect(),
    };
    match pixels.channels {
        Channels::Rgb => (values, false),
        Channels::Rgba => (values, true),
        Channels::Grey => (grey_spread(&values, Channels::Grey), false),
        Channels::GreyAlpha => (grey_spread(&values, Channels::GreyAlpha), true),
        Channels::Cmyk => (values.chunks_exact(4).flat_map(without_inks).collect(), false),
    }
}

/// Colour of ideal inks on white, as browsers show it if there is no profile.
fn without_inks(inks: &[u8]) -> [u8; 3] {
    let left = |ink: u8| u16::from(u8::MAX - ink);
    let under_black = |ink: u8| u8::try_from((left(ink) * left(inks[3]) + 127) / 255).unwrap_or(u8::MAX);
    [under_black(inks[0]), under_black(inks[1]), under_black(inks[2])]
}

/// Rounds 16 bits to 8 bits.
fn narrow(value: u16) -> u8 {
    u8::try_from((u32::from(value) * 255 + 32_767) / 65_535).unwrap_or(u8::MAX)
}

fn on_white(rgba: &[u8]) -> Vec<u8> {
    let over = |of: &[u8]| [over_white(of[0], of[3]), over_white(of[1], of[3]), over_white(of[2], of[3])];
    rgba.chunks_exact(4).flat_map(over).collect()
}

/// Blends a value onto white with opacity `alpha` (0 to 255).
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u16::from(value), u16::from(alpha));
    // At most 255 * 255 + 127, which is less than 65536.
    let sum = value * alpha + 255 * (255 - alpha);
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srgb_of(channels: Channels, samples: Samples, colour: &Colour) -> Vec<u8> {
        let count = match &samples {
            Samples::U8(values) => values.len(),
            Samples::U16(values) => values.len(),
        };
        let width = u32::try_from(count / channels.count()).expect("small");
        let mut notes = Vec::new();
        let made = to_srgb(Pixels { width, height: 1, channels, samples }, colour, &mut notes).expect("converted");
        assert_eq!(notes, []);
        made.into_raw()
    }

    #[test]
    fn white_shows_through_what_is_transparent() {
        let rgba = vec![10, 20, 30, 0, 10, 20, 30, 255, 0, 0, 255, 128];
        let made = srgb_of(Channels::Rgba, Samples::U8(rgba), &Colour::Srgb);
        assert_eq!(made, [255, 255, 255, 10, 20, 30, 127, 127, 255]);
        let grey = srgb_of(Channels::GreyAlpha, Samples::U16(vec![0, 65_535, 0, 32_896]), &Colour::Srgb);
        assert_eq!(grey, [0, 0, 0, 127, 127, 127]);
    }

    #[test]
    fn sixteen_bits_go_to_the_nearest_of_eight() {
        for value in 0..=u8::MAX {
            assert_eq!(narrow(u16::from(value) * 257), value);
            assert_eq!(narrow((u16::from(value) * 257).saturating_add(128)), value, "rounded down");
        }
        assert_eq!(narrow(129), 1, "rounded up");
    }

    #[test]
    fn adobe_rgb_without_a_profile_is_converted_at_both_depths() {
        let made = srgb_of(Channels::Rgb, Samples::U8(vec![90, 200, 60]), &Colour::AdobeRgb);
        assert_eq!(made, [0, 201, 37]);
        let wide = [90_u16, 200, 60].map(|value| value * 257).to_vec();
        assert_eq!(srgb_of(Channels::Rgb, Samples::U16(wide), &Colour::AdobeRgb), [0, 201, 37]);
        // Blended onto white after the conversion, as in browsers: 0, 201 and 37 at half opacity.
        let half = srgb_of(Channels::Rgba, Samples::U8(vec![90, 200, 60, 128]), &Colour::AdobeRgb);
        assert_eq!(half, [127, 228, 146]);
    }

    #[test]
    fn png_numbers_of_srgb_are_srgb_and_others_are_converted() {
        let srgb = [(0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)];
        let values = vec![90, 200, 60];
        for (chromaticities, gamma) in [(Some(srgb), None), (None, Some(0.45455)), (Some(srgb), Some(0.45455))] {
            let colour = Colour::Measured { chromaticities, gamma };
            assert_eq!(srgb_of(Channels::Rgb, Samples::U8(values.clone()), &colour), values);
        }
        // Linear light: 90/255 is 0.353, which sRGB's curve maps to 0.629; 200 maps to 0.898, 60 to 0.522.
        let linear = Colour::Measured { chromaticities: None, gamma: Some(1.0) };
        assert_eq!(srgb_of(Channels::Rgb, Samples::U8(values.clone()), &linear), [160, 229, 133]);
        let adobe = [(0.3127, 0.329), (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)];
        let measured = Colour::Measured { chromaticities: Some(adobe), gamma: Some(1.0 / 2.199_219) };
        assert_eq!(srgb_of(Channels::Rgb, Samples::U8(values), &measured), [0, 201, 37]);
    }

    #[test]
    fn numbers_that_are_no_colour_space_are_ignored_with_a_note() {
        let line = Some([(0.3, 0.3), (0.1, 0.1), (0.2, 0.2), (0.3, 0.3)]);
        for (chromaticities, gamma) in [(line, None), (Some([(0.0, 0.0); 4]), None), (None, Some(1e-5))] {
            let pixels =
                Pixels { width: 1, height: 1, channels: Channels::Rgb, samples: Samples::U8(vec![90, 200, 60]) };
            let mut notes = Vec::new();
            let made = to_srgb(pixels, &Colour::Measured { chromaticities, gamma }, &mut notes).expect("taken");
            assert_eq!(made.into_raw(), [90, 200, 60]);
            assert!(matches!(notes[..], [Note::ProfileIgnored { .. }]), "{notes:?}");
        }
    }

    #[test]
    fn code_points_are_converted_and_high_dynamic_range_is_refused() {
        let srgb = Colour::CodePoints { primaries: 1, transfer: 13 };
        assert_eq!(srgb_of(Channels::Rgb, Samples::U8(vec![90, 200, 60]), &srgb), [90, 200, 60]);
        for (transfer, name) in [(16, "PQ"), (18, "HLG")] {
            let pixels = Pixels { width: 1, height: 1, channels: Channels::Rgb, samples: Samples::U8(vec![0; 3]) };
            let error = to_srgb(pixels, &Colour::CodePoints { primaries: 9, transfer }, &mut Vec::new());
            assert_eq!(error, Err(Error::HighRange { transfer: name }));
        }
    }

    #[test]
    fn inks_without_a_profile_are_noted() {
        let pixels = Pixels {
            width: 2,
            height: 1,
            channels: Channels::Cmyk,
            samples: Samples::U8(vec![0, 255, 255, 0, 0, 0, 0, 128]),
        };
        let mut notes = Vec::new();
        let made = to_srgb(pixels, &Colour::Srgb, &mut notes).expect("taken");
        assert_eq!((made.into_raw(), notes), (vec![255, 0, 0, 127, 127, 127], vec![Note::InksWithoutProfile]));
    }
}
