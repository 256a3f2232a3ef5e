//! Conversion between time and pixels.

/// A linear axis: `x_px = time * px_per_frame`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    px_per_frame: f64,
}

impl Axis {
    /// Minimum zoom: 500 frames in 4000 pixels.
    pub const LEAST_PX: f64 = 8.0;
    /// Maximum zoom: a thumbnail of half a screen's height.
    pub const MOST_PX: f64 = 400.0;

    /// An axis with this zoom, clamped to its limits. NaN gives the minimum.
    pub fn new(px_per_frame: f64) -> Self {
        let px_per_frame = if px_per_frame.is_nan() { Self::LEAST_PX } else { px_per_frame };
        Self { px_per_frame: px_per_frame.clamp(Self::LEAST_PX, Self::MOST_PX) }
    }

    /// The zoom, in pixels per frame.
    pub fn px_per_frame(self) -> f64 {
        self.px_per_frame
    }

    /// Converts a time in frames to a position in pixels.
    pub fn x_from_time(self, frames: f64) -> f64 {
        frames * self.px_per_frame
    }

    /// Converts a position in pixels to a time in frames.
    pub fn time_from_x(self, x_px: f64) -> f64 {
        x_px / self.px_per_frame
    }

    /// Zooms by a factor. Returns the new axis and the scroll position that keeps the time under `x_px` (measured from
    /// the left edge of the viewport) in place.
    pub fn zoomed_at(self, factor: f64, x_px: f64, scroll_px: f64) -> (Self, f64) {
        let time = self.time_from_x(scroll_px + x_px);
        let zoomed = Self::new(self.px_per_frame * factor);
        (zoomed, (zoomed.x_from_time(time) - x_px).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZOOMS: [f64; 5] = [8.0, 31.7, 96.0, 104.0, 400.0];

    #[test]
    fn x_from_time_and_time_from_x_are_inverses() {
        for zoom in ZOOMS {
            let axis = Axis::new(zoom);
            for i in -10..10_000 {
                let time = f64::from(i) * 0.37;
                assert!((axis.time_from_x(axis.x_from_time(time)) - time).abs() <= time.abs() * 1e-15, "{zoom} {time}");
                let x = f64::from(i) * 1.9;
                assert!((axis.x_from_time(axis.time_from_x(x)) - x).abs() <= x.abs() * 1e-15, "{zoom} {x}");
            }
        }
    }

    #[test]
    fn both_grow_with_what_they_are_given() {
        for zoom in ZOOMS {
            let axis = Axis::new(zoom);
            assert!((0..1000).all(|i| axis.x_from_time(f64::from(i)) < axis.x_from_time(f64::from(i + 1))));
        }
    }

    #[test]
    fn zoom_stays_in_bounds_whatever_it_is_given() {
        for zoom in [-1.0, 0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e9] {
            let px = Axis::new(zoom).px_per_frame();
            assert!((Axis::LEAST_PX..=Axis::MOST_PX).contains(&px), "{zoom}: {px}");
        }
    }

    #[test]
    fn zooming_keeps_the_time_under_the_pointer() {
        for (factor, x, scroll) in [(1.25, 300.0, 1200.0), (0.8, 300.0, 1200.0), (2.0, 0.0, 0.0), (4.0, 700.0, 90.0)] {
            let axis = Axis::new(96.0);
            let (zoomed, scrolled) = axis.zoomed_at(factor, x, scroll);
            let (before, after) = (axis.time_from_x(scroll + x), zoomed.time_from_x(scrolled + x));
            assert!((before - after).abs() < 1e-9, "{factor} {x} {scroll}: {before} became {after}");
        }
    }
}
