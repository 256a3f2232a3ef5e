//! Any size to one that a take can have.

use super::refused;
use image::{DynamicImage, RgbImage, Rgba, imageops::FilterType};
use protocol::{
    Problem,
    project::limits::{SIDE_PX, SIDE_STEP_PX},
};

/// How a picture comes to a size that a take can have: both sides 64 to 2048 pixels, and multiples of 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fit {
    /// Scaled to this size: down until the longer side is 2048 pixels, or up until the shorter one is 64.
    scaled: (u32, u32),
    /// Then trimmed to this size, as much on each side: by 7 pixels at most.
    trimmed: (u32, u32),
}

impl Fit {
    /// For a picture of this size; none where it is so narrow that both sides cannot be within their bounds.
    fn of(width: u32, height: u32) -> Option<Self> {
        let (least, most) = (*SIDE_PX.start(), *SIDE_PX.end());
        let (shorter, longer) = (width.min(height), width.max(height));
        let scaled = match () {
            () if longer > most => (at_scale(width, most, longer)?, at_scale(height, most, longer)?),
            () if shorter < least => (at_scale(width, least, shorter)?, at_scale(height, least, shorter)?),
            () => (width, height),
        };
        let fits = SIDE_PX.contains(&scaled.0) && SIDE_PX.contains(&scaled.1);
        let trimmed = |side: u32| side - side % SIDE_STEP_PX;
        fits.then(|| Self { scaled, trimmed: (trimmed(scaled.0), trimmed(scaled.1)) })
    }
}

/// `side * to / from`, to the nearest whole pixel; none for a `from` of 0.
fn at_scale(side: u32, to: u32, from: u32) -> Option<u32> {
    let (side, to, from) = (u64::from(side), u64::from(to), u64::from(from));
    (side * to + from / 2).checked_div(from)?.try_into().ok()
}

/// The picture on white, at the nearest size that a take can have.
///
/// # Errors
/// One far too narrow for both sides to be within their bounds.
pub fn fitted(picture: DynamicImage) -> Result<RgbImage, Problem> {
    let (width, height) = (picture.width(), picture.height());
    let Some(Fit { scaled, trimmed }) = Fit::of(width, height) else {
        let ratio = SIDE_PX.end() / SIDE_PX.start();
        return Err(refused(format!(
            "must be at most {ratio} times as wide as high, or as high as wide, not {width} x {height} pixels"
        )));
    };
    // By the methods of `DynamicImage`: the functions behind them are generic, and would be compiled in this crate,
    // which is hardly optimised.
    let mut picture = DynamicImage::ImageRgb8(on_white(picture));
    if scaled != (width, height) {
        picture = picture.resize_exact(scaled.0, scaled.1, FilterType::Lanczos3);
    }
    if trimmed != scaled {
        let (left, top) = ((scaled.0 - trimmed.0) / 2, (scaled.1 - trimmed.1) / 2);
        picture = picture.crop_imm(left, top, trimmed.0, trimmed.1);
    }
    Ok(picture.into_rgb8())
}

fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.has_alpha() {
        return picture.into_rgb8();
    }
    let mut picture = picture.into_rgba8();
    for Rgba([red, green, blue, alpha]) in picture.pixels_mut() {
        for colour in [red, green, blue] {
            *colour = over_white(*colour, *alpha);
        }
    }
    DynamicImage::ImageRgba8(picture).into_rgb8()
}

/// A colour's value where `alpha` of 255 parts of it cover white.
fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u16::from(value), u16::from(alpha));
    // At most 255 * 255 + 127, which is below 65536.
    let sum = value * alpha + 255 * (255 - alpha);
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::pattern;
    use super::*;
    use image::{Rgb, RgbaImage};

    #[test]
    fn sides_are_scaled_only_where_they_must_be_and_then_trimmed() {
        for (size, scaled, trimmed) in [
            ((64, 64), (64, 64), (64, 64)),
            ((2048, 2048), (2048, 2048), (2048, 2048)),
            ((832, 1216), (832, 1216), (832, 1216)),
            ((100, 71), (100, 71), (96, 64)),
            ((2047, 65), (2047, 65), (2040, 64)),
            ((4000, 3000), (2048, 1536), (2048, 1536)),
            ((3000, 4001), (1536, 2048), (1536, 2048)),
            ((4000, 2999), (2048, 1535), (2048, 1528)),
            ((1, 1), (64, 64), (64, 64)),
            ((30, 100), (64, 213), (64, 208)),
            ((1, 32), (64, 2048), (64, 2048)),
            ((16_384, 512), (2048, 64), (2048, 64)),
        ] {
            assert_eq!(Fit::of(size.0, size.1), Some(Fit { scaled, trimmed }), "{size:?}");
            let turned = |(a, b)| (b, a);
            let fit = Fit { scaled: turned(scaled), trimmed: turned(trimmed) };
            assert_eq!(Fit::of(size.1, size.0), Some(fit), "{size:?}, turned");
        }
        for (width, height) in [(0, 0), (0, 64), (1, 33), (16_384, 500), (u32::MAX, 1), (u32::MAX, 0)] {
            assert_eq!(Fit::of(width, height), None, "{width} x {height}");
        }
    }

    #[test]
    fn every_size_ends_within_its_bounds_or_nowhere() {
        for width in (1..=5000).step_by(37) {
            for height in (1..=5000).step_by(41) {
                let Some(Fit { scaled, trimmed }) = Fit::of(width, height) else {
                    let ratio = f64::from(width.max(height)) / f64::from(width.min(height));
                    assert!(ratio > 31.0, "{width} x {height}");
                    continue;
                };
                for (scaled, trimmed) in [(scaled.0, trimmed.0), (scaled.1, trimmed.1)] {
                    assert!(SIDE_PX.contains(&trimmed) && trimmed.is_multiple_of(SIDE_STEP_PX), "{width} x {height}");
                    assert!((trimmed..trimmed + SIDE_STEP_PX).contains(&scaled), "{width} x {height}");
                }
            }
        }
    }

    #[test]
    fn what_is_far_too_narrow_is_refused() {
        let problem = fitted(RgbImage::new(2000, 50).into()).expect_err("refused");
        let told = "must be at most 32 times as wide as high, or as high as wide, not 2000 x 50 pixels";
        assert_eq!(problem, refused(told));
    }

    #[test]
    fn sides_that_fit_keep_every_pixel_and_others_are_trimmed_evenly() {
        assert_eq!(fitted(pattern(72, 64).into()).expect("fits"), pattern(72, 64));
        let inner = DynamicImage::ImageRgb8(pattern(75, 71)).crop_imm(1, 3, 72, 64).into_rgb8();
        assert_eq!(fitted(pattern(75, 71).into()).expect("fits"), inner);
        assert_eq!(fitted(RgbImage::new(10, 20).into()).expect("fits").dimensions(), (64, 128));
        // A scaled picture is what it was: black on the left, white on the right.
        let halves = RgbImage::from_fn(2600, 1300, |x, _| Rgb([if x < 1300 { 0 } else { 255 }; 3]));
        let small = fitted(halves.into()).expect("fits");
        assert_eq!(small.dimensions(), (2048, 1024));
        assert_eq!((small.get_pixel(1000, 500).0, small.get_pixel(1047, 500).0), ([0; 3], [255; 3]));
    }

    #[test]
    fn white_shows_through_what_is_transparent() {
        let mut clear = RgbaImage::from_pixel(64, 64, Rgba([10, 20, 30, 0]));
        clear.put_pixel(1, 0, Rgba([10, 20, 30, 255]));
        clear.put_pixel(2, 0, Rgba([0, 0, 255, 128]));
        let made = fitted(clear.into()).expect("fits");
        let row: Vec<[u8; 3]> = (0..3).map(|x| made.get_pixel(x, 0).0).collect();
        assert_eq!(row, [[255, 255, 255], [10, 20, 30], [127, 127, 255]]);
    }
}
