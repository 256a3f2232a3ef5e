//! Two-dimensional convolution.

mod channels;
mod padded;

use crate::{
    aligned::Aligned,
    packed::Packed,
    product::{InTiles, Tile, arch, blocks, cut},
    weights::Weights,
};
use channels::{Channels, Under};
use padded::Padded;
use rayon::prelude::*;
use std::iter;

/// The configuration of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Side of the square kernel, in pixels.
    pub kernel: usize,
    /// Stride, in pixels.
    pub stride: usize,
    /// Zero padding before and after, in pixels, the same for both dimensions.
    pub padding: (usize, usize),
}

impl ConvShape {
    /// The output side for an input side.
    fn side(&self, side: usize) -> usize {
        (side + self.padding.0 + self.padding.1 - self.kernel) / self.stride + 1
    }

    /// Number of products summed for each output value.
    fn depth(&self) -> usize {
        self.c_in * self.kernel * self.kernel
    }
}

/// A convolution with its weights packed for the registers.
#[derive(Debug)]
pub struct Conv2d {
    shape: ConvShape,
    tile: Tile,
    /// In panels of as many output channels as the tile has rows.
    packed: Packed,
}

/// Pixels computed at once. Copied, 384 kernel positions for each take 786 kB and fit into an L2 cache of 1 MB; in
/// place they take a third of that. With fewer pixels the weights are read more often.
const PIXELS: usize = 512;

impl Conv2d {
    /// Creates it from `weight` `[c_out, c_in, kernel, kernel]` and `bias` `[c_out]`.
    ///
    /// # Panics
    /// If their lengths differ from these shapes.
    pub fn new(weight: Weights, bias: Option<&[f32]>, shape: ConvShape) -> Self {
        let tile = Tile::for_rows(shape.c_out);
        Self { shape, tile, packed: Packed::new(weight, bias, [shape.c_out, shape.depth()], tile.rows) }
    }

    /// Its configuration.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// Its weight `[c_out, c_in, kernel, kernel]` and its bias `[c_out]`.
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// Height and width of the result for those of `x`.
    pub fn sides(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        [self.shape.side(height), self.shape.side(width)]
    }

    /// Returns the convolution of `x`.
    ///
    /// # Shapes
    /// `x`: `[pictures, c_in, height, width]`; result `[pictures, c_out, height', width']`
    ///
    /// # Panics
    /// If `x` has another length or is smaller than the kernel.
    pub fn forward(&self, x: &[f32], sides: [usize; 2]) -> Vec<f32> {
        let mut y = self.empty(x, sides);
        self.run(x, sides, &mut y, false, None);
        y
    }

    /// Like [`Self::forward`], and adds a value of `shift` to each channel of each picture.
    ///
    /// # Shapes
    /// As in [`Self::forward`]; `shift`: `[pictures, c_out]`
    ///
    /// # Panics
    /// As in [`Self::forward`], and if `shift` has another length.
    pub fn forward_shifted(&self, x: &[f32], sides: [usize; 2], shift: &[f32]) -> Vec<f32> {
        let mut y = self.empty(x, sides);
        self.run(x, sides, &mut y, false, Some(shift));
        y
    }

    /// `y += conv(x)`, without an intermediate result.
    ///
    /// # Shapes
    /// As in [`Self::forward`]; `y` has the shape of its result
    ///
    /// # Panics
    /// As in [`Self::forward`], and if `y` has another length.
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
        assert_eq!(y.len(), pictures * c_out * height * width, "pictures of {c_out} by {height} by {width}");
        // One value per channel: the bias plus the picture's own shift.
        let added = shift.map(|shift| {
            assert_eq!(shift.len(), pictures * c_out, "shifts of {c_out}");
            let bias = self.packed.bias.iter().flatten().chain(iter::repeat(&0.0));
            let picture = |shift: &[f32]| shift.iter().zip(bias.clone()).map(|(a, b)| a + b).collect::<Vec<f32>>();
            shift.chunks(c_out.max(1)).map(picture).collect::<Vec<_>>()
        });
        self.tasks(y, height * width).into_par_iter().for_each(|task| {
            let bias = |picture: usize| added.as_ref().map(|added| added[picture].as_slice()).or(self.packed.bias());
            self.run_task(task, &padded, width, onto_itself, bias);
        });
    }

    /// Splits the work: each task is a picture or some of its pixels. With few pixels, a task is some channels of all
    /// pictures, so that no weight is read or converted twice.
    fn tasks<'y>(&self, y: &'y mut [f32], plane: usize) -> Vec<Task<'y>> {
        let (c_out, Tile { rows, columns }) = (self.shape.c_out.max(1), self.tile);
        let picture = (c_out * plane).max(1);
        let pictures = y.len() / picture;
        let together = if plane < PIXELS { pictures.max(1) } else { 1 };
        let shares = rayon::current_num_threads().div_ceil((pictures / together).max(1));
        let by_pixels = (plane / PIXELS).clamp(1, shares);
        let pixels = plane.div_ceil(by_pixels).next_multiple_of(columns);
        let channels = c_out.div_ceil(shares.div_ceil(by_pixels)).next_multiple_of(rows);
        let mut tasks = Vec::new();
        for (group, y) in y.chunks_mut(together * picture).enumerate() {
            let first = tasks.len();
            let places = (0..c_out).step_by(channels).flat_map(|c| (0..plane).step_by(pixels).map(move |p| (c, p)));
            tasks.extend(places.map(|(channel, pixel)| Task {
                picture: group * together,
                channel,
                pixel,
                y: Vec::new(),
            }));
            for y in y.chunks_mut(picture) {
                let parts = y.chunks_mut(channels * plane).flat_map(|y| cut(y.chunks_mut(plane), pixels));
                tasks[first..].iter_mut().zip(parts).for_each(|(task, y)| task.y.push(y));
            }
        }
        tasks
    }

    fn run_task<'b>(
        &self,
        task: Task,
        padded: &Padded<'_>,
        width: usize,
        onto_itself: bool,
        bias: impl Fn(usize) -> Option<&'b [f32]>,
    ) {
        let Task { picture: first_picture, channel: first_channel, pixel: first_pixel, mut y } = task;
        let Tile { rows, columns } = self.tile;
        let (channels, count) = y.first().map_or((0, 0), |y| (y.len(), y.first().map_or(0, |y| y.len())));
        let in_place = self.shape.stride == 1 && width.is_multiple_of(columns / 2);
        let mut room = Aligned::default();
        let mut gathered: Vec<Aligned> = y.iter().map(|_| Aligned::default()).collect();
        for pixel in (0..count).step_by(PIXELS) {
            let part = pixel..count.min(pixel + PIXELS);
            let pixels = first_pixel + part.start..first_pixel + part.end;
            let starts = in_place.then(|| padded.starts(pixels.clone(), width, columns / 2));
            for block @ (at, depth) in blocks(self.shape.depth()) {
                let places = at..at + depth;
                if starts.is_none() {
                    for (picture, gathered) in (first_picture..).zip(&mut gathered) {
                        padded.gather(picture, places.clone(), pixels.clone(), width, columns, gathered);
                    }
                }
                for channel in (0..channels).step_by(rows) {
                    let weights = self.packed.panels.panel(block, (first_channel + channel) / rows, &mut room);
                    for ((picture, gathered), y) in (first_picture..).zip(&gathered).zip(&mut y) {
                        let bias = bias(picture).filter(|_| at == 0);
                        let product = Channels {
                            depth,
                            weights,
                            under: match &starts {
                                Some(starts) => Under::InPlace {
                                    numbers: padded.picture(picture),
                                    places: &padded.places[places.clone()],
                                    starts,
                                },
                                None => Under::Gathered(gathered),
                            },
                            y: &mut y[channel..channels.min(channel + rows)],
                            part: part.clone(),
                            onto_itself: onto_itself || at > 0,
                            bias: bias.map(|bias| &bias[first_channel + channel..]),
                        };
                        arch().dispatch(InTiles(self.tile, product));
                    }
                }
            }
        }
    }
}

/// The work of a thread at a time.
struct Task<'y> {
    /// The first picture.
    picture: usize,
    /// The first channel of the result.
    channel: usize,
    /// The first pixel of the result, row by row.
    pixel: usize,
    /// These pixels, for each picture and each channel.
    y: Vec<Vec<&'y mut [f32]>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::tests::{assert_close, numbers};

    /// Reference in f64, from the definition.
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
            // Cases: panels that end with the rows, which are read in place; a picture large enough to be shared by
            // threads; planes with extra distance (the last one).
            (1, shape(5, 27, 3, 1, (1, 1)), [6, 64]),
            (1, shape(4, 33, 1, 1, (0, 0)), [40, 32]),
            (1, shape(3, 4, 3, 1, (1, 1)), [37, 41]),
            (2, shape(3, 6, 3, 1, (1, 1)), [128, 128]),
            // As in the VAE, with padding only after.
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
