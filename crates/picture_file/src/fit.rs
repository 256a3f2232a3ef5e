//! Fits a picture of any size to a size within limits.

use crate::Bounds;
use image::{DynamicImage, RgbImage};

/// How a picture is fitted to a size within limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// First scaled to this size: down until the longer side has the maximum, or up until the shorter side has the
    /// minimum.
    pub scaled: (u32, u32),
    /// Then trimmed to this size, equally on both sides and by less than a step.
    pub trimmed: (u32, u32),
}

impl Fit {
    /// Computes the fit for a picture of this size. `None` if it is so narrow that not both sides can be within the
    /// limits.
    pub fn of(width: u32, height: u32, bounds: &Bounds) -> Option<Self> {
        let (least, most) = (*bounds.side_px.start(), *bounds.side_px.end());
        let (shorter, longer) = (width.min(height), width.max(height));
        let scaled = match () {
            () if longer > most => (at_scale(width, most, longer)?, at_scale(height, most, longer)?),
            () if shorter < least => (at_scale(width, least, shorter)?, at_scale(height, least, shorter)?),
            () => (width, height),
        };
        let fits = bounds.side_px.contains(&scaled.0) && bounds.side_px.contains(&scaled.1);
        let trimmed = |side: u32| side - side % bounds.side_step_px.max(1);
        fits.then(|| Self { scaled, trimmed: (trimmed(scaled.0), trimmed(scaled.1)) })
    }

    /// Trims a scaled picture to its middle.
    pub fn trim(&self, picture: DynamicImage) -> RgbImage {
        let (scaled, trimmed) = (self.scaled, self.trimmed);
        if trimmed == scaled {
            return picture.into_rgb8();
        }
        let (left, top) = ((scaled.0 - trimmed.0) / 2, (scaled.1 - trimmed.1) / 2);
        picture.crop_imm(left, top, trimmed.0, trimmed.1).into_rgb8()
    }
}

/// `side * to / from`, rounded to the nearest integer; `None` for a `from` of 0.
fn at_scale(side: u32, to: u32, from: u32) -> Option<u32> {
    let (side, to, from) = (u64::from(side), u64::from(to), u64::from(from));
    (side * to + from / 2).checked_div(from)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    const TAKE: Bounds = Bounds { side_px: 64..=2048, side_step_px: 8 };

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
            assert_eq!(Fit::of(size.0, size.1, &TAKE), Some(Fit { scaled, trimmed }), "{size:?}");
            let turned = |(a, b)| (b, a);
            let fit = Fit { scaled: turned(scaled), trimmed: turned(trimmed) };
            assert_eq!(Fit::of(size.1, size.0, &TAKE), Some(fit), "{size:?}, turned");
        }
        for (width, height) in [(0, 0), (0, 64), (1, 33), (16_384, 500), (u32::MAX, 1), (u32::MAX, 0)] {
            assert_eq!(Fit::of(width, height, &TAKE), None, "{width} x {height}");
        }
    }

    #[test]
    fn every_size_ends_within_its_bounds_or_nowhere() {
        for width in (1..=5000).step_by(37) {
            for height in (1..=5000).step_by(41) {
                let Some(Fit { scaled, trimmed }) = Fit::of(width, height, &TAKE) else {
                    let ratio = f64::from(width.max(height)) / f64::from(width.min(height));
                    assert!(ratio > 31.0, "{width} x {height}");
                    continue;
                };
                for (scaled, trimmed) in [(scaled.0, trimmed.0), (scaled.1, trimmed.1)] {
                    assert!(TAKE.side_px.contains(&trimmed) && trimmed.is_multiple_of(8), "{width} x {height}");
                    assert!((trimmed..trimmed + 8).contains(&scaled), "{width} x {height}");
                }
            }
        }
    }

    #[test]
    fn a_picture_is_trimmed_evenly() {
        let columns = RgbImage::from_fn(75, 71, |x, y| Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 0]));
        let made = Fit::of(75, 71, &TAKE).expect("fits").trim(columns.into());
        assert_eq!(
            (made.dimensions(), made.get_pixel(0, 0).0, made.get_pixel(71, 63).0),
            ((72, 64), [1, 3, 0], [72, 66, 0])
        );
    }
}
