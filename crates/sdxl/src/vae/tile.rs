//! Processes pictures in overlapping, blended tiles, so that memory depends on the size of a tile.

use crate::{DeviceError, host::host_numbers};
use burn::tensor::{Tensor, TensorData};

/// Size of a tile's result relative to the tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Larger by this factor.
    Grow(usize),
    /// Smaller by this factor.
    Shrink(usize),
}

impl Scale {
    fn of(self, n: usize) -> usize {
        match self {
            Self::Grow(factor) => n * factor,
            Self::Shrink(factor) => n / factor,
        }
    }
}

/// The largest tile and its alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    /// Side of a square tile with the largest allowed number of pixels, in pixels of the input.
    side: usize,
    /// Tiles start and end at multiples of this, in pixels of the input.
    step: usize,
}

/// A tile and its position in the whole picture, in pixels.
pub(super) struct Place {
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) tile: Tensor<4>,
}

/// A tile overlaps its neighbour by at least its side divided by this.
const OVERLAP_DIVISOR: usize = 4;
/// Minimum side of a tile in latent pixels. Smaller tiles would consist of overlap only.
const LEAST_SIDE: usize = 16;

impl Tiling {
    /// Tiles whose activations fit into `bytes`, with `channels` f32 numbers per pixel at `grown` times the input's
    /// size along each side. Sides are multiples of `step`.
    pub(super) fn for_activation(bytes: u64, channels: usize, grown: usize, step: usize) -> Self {
        let bytes_for_pixel = (size_of::<f32>() * channels.max(1) * grown * grown) as u64;
        let side = (bytes / bytes_for_pixel).isqrt() as usize;
        Self { side: (side / step * step).max(LEAST_SIDE * step), step }
    }

    /// Side of the largest square tile, in pixels of the input.
    pub(super) fn side(self) -> usize {
        self.side
    }

    /// Whether a picture of this size is processed in one piece.
    pub(super) fn fits(self, [height, width]: [usize; 2]) -> bool {
        height * width <= self.side * self.side
    }

    /// Applies `f` to `x` in one piece if it fits, otherwise in tiles.
    ///
    /// # Shapes
    /// `x`: `[b, c, h, w]`; `f` scales height and width by `scale`
    pub(super) fn run(
        self,
        x: Tensor<4>,
        scale: Scale,
        f: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<Tensor<4>, DeviceError> {
        let [_, _, height, width] = x.dims();
        if self.fits([height, width]) {
            return Ok(f(x));
        }
        let mut canvas: Option<Canvas> = None;
        for Place { top, left, tile } in self.tiles(&x) {
            let tile = f(tile);
            let canvas = canvas.get_or_insert_with(|| {
                let [b, c, _, _] = tile.dims();
                Canvas::new(b * c, scale.of(height), scale.of(width))
            });
            canvas.blend(tile, scale.of(top), scale.of(left))?;
        }
        let canvas = canvas.unwrap_or_else(|| Canvas::new(0, 0, 0));
        let [b, ..] = x.dims();
        Ok(canvas.into_tensor(b, &x))
    }

    /// The tiles of `x`, row by row.
    pub(super) fn tiles(self, x: &Tensor<4>) -> impl Iterator<Item = Place> {
        let [_, _, height, width] = x.dims();
        let columns = self.spans(width);
        let places =
            self.spans(height).into_iter().flat_map(move |row| columns.clone().into_iter().map(move |c| (row, c)));
        places.map(|((top, h), (left, w))| {
            let tile = x.clone().narrow(2, top, h).narrow(3, left, w);
            Place { top, left, tile }
        })
    }

    /// Evenly spaced spans `(start, length)` that cover `0..length`, all of the same length.
    fn spans(self, length: usize) -> Vec<(usize, usize)> {
        let side = self.side.min(length);
        let stride = side - side / OVERLAP_DIVISOR;
        let count = (length - side).div_ceil(stride.max(1)) + 1;
        let start = |i: usize| match count {
            1 => 0,
            _ => (i * (length - side) / (count - 1)) / self.step * self.step,
        };
        (0..count).map(|i| (start(i), if i + 1 == count { length - start(i) } else { side })).collect()
    }
}

/// Accumulates tiles on the host: a weighted sum and the sum of the weights.
struct Canvas {
    sum: Vec<f32>,
    weight: Vec<f32>,
    planes: usize,
    height: usize,
    width: usize,
}

impl Canvas {
    fn new(planes: usize, height: usize, width: usize) -> Self {
        let pixels = height * width;
        Self { sum: vec![0.0; planes * pixels], weight: vec![0.0; pixels], planes, height, width }
    }

    fn blend(&mut self, tile: Tensor<4>, top: usize, left: usize) -> Result<(), DeviceError> {
        let [_, _, h, w] = tile.dims();
        let numbers = host_numbers(tile, "coding a tile of the picture")?;
        let down = ramp(h, top > 0, top + h < self.height);
        let across = ramp(w, left > 0, left + w < self.width);
        for (y, &dy) in down.iter().enumerate() {
            let row = (top + y) * self.width + left;
            for (weight, &dx) in self.weight[row..row + w].iter_mut().zip(&across) {
                *weight += dy * dx;
            }
            for plane in 0..self.planes {
                let source = &numbers[(plane * h + y) * w..][..w];
                let target = &mut self.sum[plane * self.height * self.width + row..][..w];
                for ((t, &s), &dx) in target.iter_mut().zip(source).zip(&across) {
                    *t += s * dy * dx;
                }
            }
        }
        Ok(())
    }

    fn into_tensor(self, batch: usize, like: &Tensor<4>) -> Tensor<4> {
        let Self { mut sum, weight, planes, height, width } = self;
        for plane in sum.chunks_mut((height * width).max(1)) {
            plane.iter_mut().zip(&weight).for_each(|(s, w)| *s /= w);
        }
        let shape = [batch, planes / batch.max(1), height, width];
        Tensor::from_data(TensorData::new(sum, shape), (&like.device(), like.dtype()))
    }
}

/// Weights of a tile along one side: 1 in the middle, falling to nearly 0 over a quarter of the side where it overlaps
/// a neighbour. Never 0, so that every pixel has a weight.
fn ramp(length: usize, neighbour_before: bool, neighbour_after: bool) -> Vec<f32> {
    let overlap = (length / OVERLAP_DIVISOR).max(1) as f32;
    let rise = |i: usize| ((i as f32 + 0.5) / overlap).min(1.0);
    let weight = |i| {
        let before = if neighbour_before { rise(i) } else { 1.0 };
        let after = if neighbour_after { rise(length - 1 - i) } else { 1.0 };
        f32::min(before, after)
    };
    (0..length).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_everything_and_overlap_by_a_quarter() {
        for (side, step, length) in [(16, 1, 17), (16, 1, 256), (40, 1, 128), (128, 8, 1096), (64, 8, 72)] {
            let spans = Tiling { side, step }.spans(length);
            assert_eq!(spans[0].0, 0, "{side} {length}");
            assert_eq!(spans.last().map(|(start, n)| start + n), Some(length), "{side} {length}");
            for pair in spans.windows(2) {
                let shared = pair[0].0 + pair[0].1 - pair[1].0;
                assert!(shared + step > side / OVERLAP_DIVISOR, "{spans:?}");
                assert!(pair[1].0.is_multiple_of(step), "{spans:?}");
            }
        }
    }

    #[test]
    fn a_picture_comes_back_unchanged_from_tiles_that_do_nothing() {
        let device = burn::tensor::Device::flex();
        let numbers: Vec<f32> = (0..2 * 3 * 40 * 56).map(|i| (i as f32 * 0.37).sin()).collect();
        let x = Tensor::<4>::from_data(TensorData::new(numbers.clone(), [2, 3, 40, 56]), &device);
        let y = Tiling { side: 16, step: 1 }.run(x, Scale::Grow(1), |tile| tile).expect("nothing to fail");
        assert_eq!(y.dims(), [2, 3, 40, 56]);
        let y = y.into_data().try_into_vec::<f32>().expect("f32");
        let worst = numbers.iter().zip(&y).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
    }

    #[test]
    fn the_side_follows_the_memory() {
        // 128 MiB over 256 channels at eight times the latent's size.
        assert_eq!(Tiling::for_activation(128 << 20, 256, 8, 1).side, 45);
        // 1 GiB is exactly what SDXL needs at 1024x1024.
        assert_eq!(Tiling::for_activation(1 << 30, 256, 8, 1).side, 128);
    }
}
