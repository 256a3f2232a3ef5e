//! Two-dimensional convolution.

use crate::{
    aligned::Aligned,
    product::{Bias, Block, Onto, Tile, arch, blocks},
    weights::{Panels, Weights},
};
use rayon::prelude::*;
use std::iter;

/// What a convolution is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels that come in.
    pub c_in: usize,
    /// Channels that go out.
    pub c_out: usize,
    /// Both sides of the kernel, pixels.
    pub kernel: usize,
    /// Between two places of the kernel, pixels.
    pub stride: usize,
    /// Zeros before and after, along both sides.
    pub padding: (usize, usize),
}

impl ConvShape {
    /// The side that comes out of a side.
    fn side(&self, side: usize) -> usize {
        (side + self.padding.0 + self.padding.1 - self.kernel) / self.stride + 1
    }

    /// Products that are summed for each number.
    fn depth(&self) -> usize {
        self.c_in * self.kernel * self.kernel
    }
}

/// A convolution, its weights as the registers want them.
#[derive(Debug)]
pub struct Conv2d {
    shape: ConvShape,
    tile: Tile,
    /// Of output channels, as many as the tile has rows; along input channels and the kernel's places.
    panels: Panels,
    bias: Option<Vec<f32>>,
}

/// Pixels that a task gathers at once: 384 places of the kernel for each are 393 kB, and stay in the second
/// cache.
const PIXELS_OF_TASK: usize = 256;

impl Conv2d {
    /// Takes `weight` `[c_out, c_in, kernel, kernel]` and `bias` `[c_out]`.
    ///
    /// # Panics
    /// Where their lengths are others.
    pub fn new(weight: Weights, bias: Option<&[f32]>, shape: ConvShape) -> Self {
        let (depth, c_out) = (shape.depth(), shape.c_out);
        assert_eq!(weight.len(), c_out * depth, "a weight of {c_out} by {depth}");
        assert!(bias.is_none_or(|bias| bias.len() == c_out), "a bias of {c_out}");
        let tile = Tile::of_products();
        let panels = Panels::new(weight, c_out, depth, tile.rows);
        Self { shape, tile, panels, bias: bias.map(<[f32]>::to_vec) }
    }

    /// What it was built for.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// The height and width of the result for those of `x`.
    pub fn sides(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        [self.shape.side(height), self.shape.side(width)]
    }

    /// # Shapes
    /// `x`: `[pictures, c_in, height, width]`; result `[pictures, c_out, height', width']`
    ///
    /// # Panics
    /// Where `x` has another length, or is smaller than the kernel.
    pub fn forward(&self, x: &[f32], sides: [usize; 2]) -> Vec<f32> {
        let mut y = self.empty(x, sides);
        self.run(x, sides, &mut y, false, None);
        y
    }

    /// The same, with a number of `shift` added to each channel of each picture.
    ///
    /// # Shapes
    /// As [`Self::forward`]; `shift`: `[pictures, c_out]`
    ///
    /// # Panics
    /// As there, and where `shift` has another length.
    pub fn forward_shifted(&self, x: &[f32], sides: [usize; 2], shift: &[f32]) -> Vec<f32> {
        let mut y = self.empty(x, sides);
        self.run(x, sides, &mut y, false, Some(shift));
        y
    }

    /// `y += conv(x)`, without a result of its own in between.
    ///
    /// # Shapes
    /// As [`Self::forward`]; `y` as its result
    ///
    /// # Panics
    /// As there, and where `y` has another length.
    pub fn add_to(&self, x: &[f32], sides: [usize; 2], y: &mut [f32]) {
        self.run(x, sides, y, true, None);
    }

    fn pictures(&self, x: &[f32], [height, width]: [usize; 2]) -> usize {
        let picture = self.shape.c_in * height * width;
        assert!(x.len().is_multiple_of(picture.max(1)), "pictures of {} by {height} by {width}", self.shape.c_in);
        x.len() / picture.max(1)
    }

    fn empty(&self, x: &[f32], sides: [usize; 2]) -> Vec<f32> {
        let [height, width] = self.sides(sides);
        vec![0.0; self.pictures(x, sides) * self.shape.c_out * height * width]
    }

    fn run(&self, x: &[f32], sides: [usize; 2], y: &mut [f32], onto_itself: bool, shift: Option<&[f32]>) {
        let ConvShape { c_out, .. } = self.shape;
        let pictures = self.pictures(x, sides);
        let padded = Padded::new(x, &self.shape, sides);
        let [height, width] = self.sides(sides);
        let plane = height * width;
        assert_eq!(y.len(), pictures * c_out * plane, "pictures of {c_out} by {height} by {width}");
        // One number a channel: the bias, and the picture's own shift.
        let added = shift.map(|shift| {
            assert_eq!(shift.len(), pictures * c_out, "shifts of {c_out}");
            let bias = self.bias.iter().flatten().chain(iter::repeat(&0.0));
            let picture = |shift: &[f32]| shift.iter().zip(bias.clone()).map(|(a, b)| a + b).collect::<Vec<f32>>();
            shift.chunks(c_out.max(1)).map(picture).collect::<Vec<_>>()
        });
        // Where there are fewer pictures than threads, they share a picture's output channels.
        let shares = rayon::current_num_threads().div_ceil(pictures.max(1)).max(1);
        let channels = c_out.div_ceil(shares).next_multiple_of(self.tile.rows).min(c_out.max(1));
        y.par_chunks_mut((c_out * plane).max(1)).enumerate().for_each(|(picture, y)| {
            let bias = added.as_ref().map(|added| added[picture].as_slice()).or(self.bias.as_deref());
            y.par_chunks_mut(channels * plane).enumerate().for_each(|(share, y)| {
                let first = share * channels;
                let onto =
                    Onto { itself: onto_itself, bias: bias.map_or(Bias::None, |bias| Bias::Rows(&bias[first..])) };
                self.some_channels(&padded, picture, [height, width], first, onto, y);
            });
        });
    }

    /// The channels of `y` from `first` on, of one picture.
    fn some_channels(
        &self,
        padded: &Padded,
        picture: usize,
        sides: [usize; 2],
        first: usize,
        onto: Onto,
        y: &mut [f32],
    ) {
        let Tile { rows, columns } = self.tile;
        let plane = sides[0] * sides[1];
        let channels = y.len() / plane;
        let (mut gathered, mut room) = (Aligned::default(), Aligned::default());
        for pixel in (0..plane).step_by(PIXELS_OF_TASK) {
            let pixels = PIXELS_OF_TASK.min(plane - pixel);
            for block @ (at, depth) in blocks(self.shape.depth()) {
                padded.gather(picture, at..at + depth, pixel..pixel + pixels, sides[1], columns, &mut gathered);
                for channel in (0..channels).step_by(rows) {
                    arch().dispatch(Block {
                        tile: self.tile,
                        depth,
                        a: self.panels.panel(block, (first + channel) / rows, &mut room),
                        b: &gathered,
                        c: &mut y[channel * plane + pixel..],
                        stride: plane,
                        m: rows.min(channels - channel),
                        n: pixels,
                        onto: if at == 0 { onto.from_row(channel) } else { Onto::ITSELF },
                    });
                }
            }
        }
    }
}

/// Pictures with their zeros around them: no place of the kernel lies outside.
struct Padded {
    numbers: Vec<f32>,
    shape: ConvShape,
    height: usize,
    width: usize,
}

impl Padded {
    fn new(x: &[f32], shape: &ConvShape, [height, width]: [usize; 2]) -> Self {
        let (before, after) = shape.padding;
        let (padded_height, padded_width) = (height + before + after, width + before + after);
        assert!(padded_height.min(padded_width) >= shape.kernel, "a picture smaller than the kernel");
        let plane = padded_height * padded_width;
        let mut numbers = vec![0.0; x.len() / (height * width).max(1) * plane];
        numbers.par_chunks_exact_mut(plane).zip(x.par_chunks_exact((height * width).max(1))).for_each(|(to, from)| {
            for (to, from) in to[before * padded_width..].chunks_mut(padded_width).zip(from.chunks_exact(width)) {
                to[before..before + width].copy_from_slice(from);
            }
        });
        Self { numbers, shape: *shape, height: padded_height, width: padded_width }
    }

    /// What lies under the kernel's places `depth` (input channels and rows and columns of the kernel), for
    /// these pixels of the result, as panels of `columns` pixels; zeros past the last pixel.
    fn gather(
        &self,
        picture: usize,
        depth: std::ops::Range<usize>,
        pixels: std::ops::Range<usize>,
        width: usize,
        columns: usize,
        gathered: &mut Aligned,
    ) {
        let ConvShape { c_in, kernel, stride, .. } = self.shape;
        let plane = self.height * self.width;
        let picture = &self.numbers[picture * c_in * plane..][..c_in * plane];
        gathered.resize(pixels.len().next_multiple_of(columns) * depth.len());
        for (first, panel) in pixels.clone().step_by(columns).zip(gathered.chunks_exact_mut(columns * depth.len())) {
            let runs = runs(first..pixels.end.min(first + columns), width);
            for (place, to) in depth.clone().zip(panel.chunks_exact_mut(columns)) {
                let (channel, place) = (place / (kernel * kernel), place % (kernel * kernel));
                let from = channel * plane + place / kernel * self.width + place % kernel;
                for Run { row, column, length, to: at } in &runs {
                    let from = &picture[from + row * stride * self.width + column * stride..];
                    let to = &mut to[*at..at + length];
                    match stride {
                        1 => to.copy_from_slice(&from[..*length]),
                        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
                    }
                }
                let end = runs.last().map_or(0, |run| run.to + run.length);
                to[end..].fill(0.0);
            }
        }
    }
}

/// Pixels side by side in a row of the result, and where they go in a panel.
struct Run {
    row: usize,
    column: usize,
    length: usize,
    to: usize,
}

fn runs(pixels: std::ops::Range<usize>, width: usize) -> Vec<Run> {
    let (first, mut at, mut runs) = (pixels.start, pixels.start, Vec::new());
    while at < pixels.end {
        let (row, column) = (at / width, at % width);
        let length = (width - column).min(pixels.end - at);
        runs.push(Run { row, column, length, to: at - first });
        at += length;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::tests::{assert_close, numbers};

    /// In f64, by the definition.
    fn by_definition(x: &[f32], weight: &[f32], bias: Option<&[f32]>, shape: ConvShape, sides: [usize; 2]) -> Vec<f32> {
        let ConvShape { c_in, c_out, kernel, stride, padding: (before, _) } = shape;
        let [height, width] = sides;
        let mut y = Vec::new();
        for x in x.chunks_exact(c_in * height * width) {
            for output in 0..c_out {
                for (row, column) in
                    (0..shape.side(height)).flat_map(|row| (0..shape.side(width)).map(move |c| (row, c)))
                {
                    let mut sum = bias.map_or(0.0, |bias| f64::from(bias[output]));
                    for (input, down, right) in
                        (0..c_in).flat_map(|i| (0..kernel).flat_map(move |d| (0..kernel).map(move |r| (i, d, r))))
                    {
                        let (row, column) = (
                            (row * stride + down).wrapping_sub(before),
                            (column * stride + right).wrapping_sub(before),
                        );
                        if row < height && column < width {
                            let weight = weight[((output * c_in + input) * kernel + down) * kernel + right];
                            sum += f64::from(x[(input * height + row) * width + column]) * f64::from(weight);
                        }
                    }
                    y.push(sum as f32);
                }
            }
        }
        y
    }

    #[test]
    fn it_is_the_convolution_at_every_size() {
        let shape = |c_in, c_out, kernel, stride, padding| ConvShape { c_in, c_out, kernel, stride, padding };
        let cases = [
            (1, shape(1, 1, 1, 1, (0, 0)), [1, 1]),
            (2, shape(4, 16, 3, 1, (1, 1)), [8, 8]),
            (1, shape(31, 15, 3, 1, (1, 1)), [5, 37]),
            (3, shape(33, 29, 3, 1, (1, 1)), [17, 19]),
            (2, shape(20, 40, 1, 1, (0, 0)), [12, 10]),
            (2, shape(8, 14, 3, 2, (1, 1)), [16, 14]),
            // The VAE's, with zeros after only.
            (1, shape(6, 9, 3, 2, (0, 1)), [9, 40]),
        ];
        for (pictures, shape, sides) in cases {
            let x = numbers(pictures * shape.c_in * sides[0] * sides[1], 1);
            let (weight, bias) = (numbers(shape.c_out * shape.depth(), 2), numbers(shape.c_out, 3));
            for bias in [None, Some(bias.as_slice())] {
                let conv = Conv2d::new(Weights::F32(&weight), bias, shape);
                let mut y = conv.forward(&x, sides);
                let wanted = by_definition(&x, &weight, bias, shape, sides);
                assert_close(&y, &wanted, 1e-5);
                let shift = numbers(pictures * shape.c_out, 4);
                let plane = y.len() / shift.len();
                let shifted: Vec<f32> = wanted.iter().enumerate().map(|(at, y)| y + shift[at / plane]).collect();
                assert_close(&conv.forward_shifted(&x, sides, &shift), &shifted, 1e-5);
                conv.add_to(&x, sides, &mut y);
                assert_close(&y, &wanted.iter().map(|y| 2.0 * y).collect::<Vec<_>>(), 1e-5);
            }
        }
    }
}
