//! Zoom and position of the picture in the viewer. Pure.

/// A picture's scale, and the offset of its centre from the viewer's centre, CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zoom {
    /// CSS pixels for each pixel of the picture.
    pub scale: f64,
    /// To the right.
    pub x: f64,
    /// Downwards.
    pub y: f64,
}

/// A width and a height.
pub type Sides = (f64, f64);

impl Zoom {
    /// One CSS pixel for each pixel of the picture.
    pub const ACTUAL: Self = Self { scale: 1.0, x: 0.0, y: 0.0 };
    const LEAST: f64 = 0.05;
    const MOST: f64 = 64.0;

    /// The largest scale at which the whole picture is visible.
    pub fn fit(picture: Sides, viewer: Sides) -> Self {
        let scale = (viewer.0 / picture.0.max(1.0)).min(viewer.1 / picture.1.max(1.0));
        Self { scale: scale.clamp(Self::LEAST, Self::MOST), x: 0.0, y: 0.0 }
    }

    /// Scales by a factor. The point under the pointer (relative to the viewer's centre) stays in place.
    pub fn at(self, factor: f64, pointer: (f64, f64)) -> Self {
        let scale = (self.scale * factor).clamp(Self::LEAST, Self::MOST);
        let ratio = scale / self.scale;
        let stay = |middle: f64, pointer: f64| pointer - (pointer - middle) * ratio;
        Self { scale, x: stay(self.x, pointer.0), y: stay(self.y, pointer.1) }
    }

    /// Pans, but keeps [`MARGIN_PX`] of the picture visible.
    pub fn panned(self, by: (f64, f64), picture: Sides, viewer: Sides) -> Self {
        let within = |middle: f64, picture: f64, viewer: f64| {
            let most = (picture * self.scale + viewer) / 2.0 - MARGIN_PX;
            middle.clamp(-most.max(0.0), most.max(0.0))
        };
        Self {
            scale: self.scale,
            x: within(self.x + by.0, picture.0, viewer.0),
            y: within(self.y + by.1, picture.1, viewer.1),
        }
    }

    /// Whether to show the pixels without smoothing: above 2:1.
    pub fn is_pixel_exact(self) -> bool {
        self.scale > 2.0
    }
}

/// The part of the picture that stays visible, CSS pixels.
const MARGIN_PX: f64 = 48.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// The point of the picture (from its centre, in its pixels) at a position of the viewer.
    fn under(zoom: Zoom, place: (f64, f64)) -> (f64, f64) {
        ((place.0 - zoom.x) / zoom.scale, (place.1 - zoom.y) / zoom.scale)
    }

    #[test]
    fn the_whole_picture_fits() {
        assert_eq!(Zoom::fit((1024.0, 512.0), (512.0, 512.0)).scale, 0.5);
        assert_eq!(Zoom::fit((128.0, 128.0), (900.0, 600.0)).scale, 4.6875);
        assert_eq!(Zoom::fit((0.0, 0.0), (900.0, 600.0)).scale, Zoom::MOST);
    }

    #[test]
    fn the_point_under_the_pointer_stays() {
        let zoom = Zoom { scale: 1.5, x: 40.0, y: -7.0 };
        for pointer in [(0.0, 0.0), (200.0, -90.0), (-333.0, 12.0)] {
            for factor in [0.5, 0.9, 1.25, 4.0, 1e6, 1e-6] {
                let (before, after) = (under(zoom, pointer), under(zoom.at(factor, pointer), pointer));
                assert!((before.0 - after.0).abs() + (before.1 - after.1).abs() < 1e-9, "{pointer:?} {factor}");
            }
        }
    }

    #[test]
    fn the_picture_stays_in_sight() {
        let far = Zoom::ACTUAL.panned((1e9, -1e9), (128.0, 128.0), (900.0, 600.0));
        assert_eq!((far.x, far.y), (514.0 - MARGIN_PX, -(364.0 - MARGIN_PX)));
        assert_eq!(Zoom::ACTUAL.panned((5.0, 5.0), (128.0, 128.0), (900.0, 600.0)).x, 5.0);
    }

    #[test]
    fn pixels_are_exact_past_two_to_one() {
        assert!(!Zoom::ACTUAL.at(2.0, (0.0, 0.0)).is_pixel_exact());
        assert!(Zoom::ACTUAL.at(2.1, (0.0, 0.0)).is_pixel_exact());
    }
}
