//! A panel of channels for some pixels.

use crate::product::{Tiled, panel, put, tile};
use pulp::{Simd, bytemuck};
use std::ops::Range;

/// The input values under the kernel, for panels of pixels.
pub(super) enum Under<'a> {
    /// Copied, one panel after another.
    Gathered(&'a [f32]),
    /// Read in place: a vector starts at each of `places` after each of `starts`; two starts make a panel. No vector
    /// crosses the end of a row.
    InPlace { numbers: &'a [f32], places: &'a [usize], starts: &'a [usize] },
}

/// A panel of channels for all panels of pixels: `y (+)= weights under (+ bias)`.
pub(super) struct Channels<'a, 'y> {
    pub(super) depth: usize,
    pub(super) weights: &'a [f32],
    pub(super) under: Under<'a>,
    /// The task's pixels for each channel; `part` is computed.
    pub(super) y: &'a mut [&'y mut [f32]],
    pub(super) part: Range<usize>,
    pub(super) onto_itself: bool,
    /// Starts at the first of these channels.
    pub(super) bias: Option<&'a [f32]>,
}

impl Tiled for Channels<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(mut self, simd: S) {
        let columns = 2 * S::F32_LANES;
        let weights = self.weights;
        match self.under {
            Under::Gathered(panels) => {
                for (at, numbers) in panels.chunks_exact(self.depth * columns).enumerate() {
                    self.put::<S, R>(at * columns, tile(simd, weights, panel::<S>(numbers)));
                }
            }
            Under::InPlace { numbers, places, starts } => {
                for (at, starts) in starts.chunks(2).enumerate() {
                    // If there is no second vector, the first is computed twice. With these slices, only one bounds
                    // check per window is left.
                    let (first, second) = (starts[0], *starts.last().unwrap_or(&starts[0]));
                    let (numbers, apart) = (&numbers[first..], second - first);
                    let rows = places.iter().map(|place| {
                        let window = &numbers[*place..*place + apart + S::F32_LANES];
                        [window, &window[apart..]].map(|numbers| S::as_simd_f32s(numbers).0[0])
                    });
                    self.put::<S, R>(at * columns, tile(simd, weights, rows));
                }
            }
        }
    }
}

impl Channels<'_, '_> {
    /// Stores a tile of sums whose first column is pixel `at`.
    #[inline(always)]
    fn put<S: Simd, const R: usize>(&mut self, at: usize, tile: [[S::f32s; 2]; R]) {
        let from = self.part.start + at;
        let to = self.part.end.min(from + 2 * S::F32_LANES);
        for (row, (y, sums)) in self.y.iter_mut().zip(&tile).enumerate() {
            let y = &mut y[from..to];
            put(y, bytemuck::cast_slice(sums), self.onto_itself);
            if let Some(bias) = self.bias {
                y.iter_mut().for_each(|y| *y += bias[row]);
            }
        }
    }
}
