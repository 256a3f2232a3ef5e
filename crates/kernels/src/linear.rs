//! `y = x Wᵀ + b`.

use crate::{
    aligned::Aligned,
    packed::Packed,
    product::{Block, InTiles, Onto, Tile, arch, blocks, cut, pack},
    weights::Weights,
};
use rayon::prelude::*;

/// A linear layer with its weights packed for the registers.
#[derive(Debug)]
pub struct Linear {
    d_in: usize,
    d_out: usize,
    tile: Tile,
    /// In panels as wide as the tile.
    packed: Packed,
}

/// The maximum number of rows of `x` in a task: packed, a block of them takes 860 kB and fits into an L2 cache of 1 MB.
const MOST_ROWS: usize = 560;
/// From this number of rows per thread on, converting a panel of f16 weights costs a fiftieth of using it.
const ENOUGH_ROWS: usize = 140;

impl Linear {
    /// Creates it from `weight` `[d_out, d_in]` and `bias` `[d_out]`.
    ///
    /// # Panics
    /// If their lengths differ from these shapes.
    pub fn new(weight: Weights, bias: Option<&[f32]>, d_in: usize, d_out: usize) -> Self {
        let tile = Tile::for_any_rows();
        Self { d_in, d_out, tile, packed: Packed::new(weight, bias, [d_out, d_in], tile.columns) }
    }

    /// The width of `x`.
    pub fn d_in(&self) -> usize {
        self.d_in
    }

    /// The width of `y`.
    pub fn d_out(&self) -> usize {
        self.d_out
    }

    /// Its weight `[d_out, d_in]` and its bias `[d_out]`.
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// Returns `x Wᵀ + b`.
    ///
    /// # Shapes
    /// `x`: `[rows, d_in]`; result `[rows, d_out]`
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len() / self.d_in * self.d_out];
        self.run(x, &mut y, false);
        y
    }

    /// `y += x Wᵀ + b`, without an intermediate result.
    ///
    /// # Shapes
    /// `x`: `[rows, d_in]`; `y`: `[rows, d_out]`
    ///
    /// # Panics
    /// If `y` has another length.
    pub fn add_to(&self, x: &[f32], y: &mut [f32]) {
        assert_eq!(y.len(), x.len() / self.d_in * self.d_out, "rows of {}", self.d_out);
        self.run(x, y, true);
    }

    fn run(&self, x: &[f32], y: &mut [f32], onto_itself: bool) {
        let (rows, threads) = (x.len() / self.d_in, rayon::current_num_threads());
        // With few rows each thread takes all of them and some of the outputs, so that no weight is read or converted
        // twice.
        let by_rows = (rows / ENOUGH_ROWS).clamp(1, threads);
        let panels = self.d_out.div_ceil(self.tile.columns).div_ceil(threads.div_ceil(by_rows));
        let outputs = (panels * self.tile.columns).max(1);
        // The same number of tasks of equal size for each thread, none larger than the cache.
        let share = rows.div_ceil(by_rows).max(1);
        let share = share.div_ceil(share.div_ceil(MOST_ROWS)).next_multiple_of(self.tile.rows);
        let mut tasks = Vec::new();
        for (x, y) in x.chunks(share * self.d_in).zip(y.chunks_mut(share * self.d_out)) {
            let parts = cut(y.chunks_mut(self.d_out), outputs).into_iter().enumerate();
            tasks.extend(parts.map(|(part, y)| (x, part * outputs, y)));
        }
        tasks.into_par_iter().for_each(|(x, first, mut y)| self.some(x, first, &mut y, onto_itself));
    }

    /// Computes the outputs from `first` on for some rows.
    fn some(&self, x: &[f32], first: usize, y: &mut [&mut [f32]], onto_itself: bool) {
        let (rows, columns) = (y.len(), self.tile.columns);
        let count = y.first().map_or(0, |y| y.len());
        let (mut packed, mut room) = (Aligned::default(), Aligned::default());
        for block @ (at, depth) in blocks(self.d_in) {
            pack_rows(x, self.d_in, at..at + depth, self.tile.rows, &mut packed);
            for column in (0..count).step_by(columns) {
                let bias = self.packed.bias().map(|bias| &bias[first + column..]);
                let product = Block {
                    depth,
                    a: &packed,
                    b: self.packed.panels.panel(block, (first + column) / columns, &mut room),
                    c: &mut *y,
                    column,
                    m: rows,
                    n: columns.min(count - column),
                    onto: if at == 0 { Onto { itself: onto_itself, bias } } else { Onto::ITSELF },
                };
                arch().dispatch(InTiles(self.tile, product));
            }
        }
    }
}

/// Packs the columns `part` of the rows of `x` into panels of `height` rows, with zeros after the last row.
pub(crate) fn pack_rows(x: &[f32], stride: usize, part: std::ops::Range<usize>, height: usize, packed: &mut Aligned) {
    let (rows, depth) = (x.len().div_ceil(stride), part.len());
    packed.resize(rows.next_multiple_of(height) * depth);
    for (first, panel) in (0..rows).step_by(height).zip(packed.chunks_exact_mut(height * depth)) {
        let rows = first..rows.min(first + height);
        pack(rows.map(|row| &x[row * stride..][part.clone()]), height, panel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::tests::{assert_close, numbers};

    /// Reference in f64, from the definition.
    fn by_definition(x: &[f32], weight: &[f32], bias: Option<&[f32]>, d_in: usize, d_out: usize) -> Vec<f32> {
        let row = |x: &[f32]| {
            let one = |output: usize| {
                let products = x.iter().zip(&weight[output * d_in..]).map(|(x, w)| f64::from(*x) * f64::from(*w));
                (products.sum::<f64>() + bias.map_or(0.0, |bias| f64::from(bias[output]))) as f32
            };
            (0..d_out).map(one).collect::<Vec<_>>()
        };
        x.chunks_exact(d_in).flat_map(row).collect()
    }

    #[test]
    fn it_is_the_product_at_every_size() {
        for (rows, d_in, d_out) in [(1, 1, 1), (3, 5, 7), (14, 256, 32), (15, 257, 33), (77, 600, 70), (600, 40, 129)] {
            let (x, weight, bias) = (numbers(rows * d_in, 1), numbers(d_in * d_out, 2), numbers(d_out, 3));
            for bias in [None, Some(bias.as_slice())] {
                let linear = Linear::new(Weights::F32(&weight), bias, d_in, d_out);
                let mut y = linear.forward(&x);
                let wanted = by_definition(&x, &weight, bias, d_in, d_out);
                assert_close(&y, &wanted, 1e-5);
                linear.add_to(&x, &mut y);
                assert_close(&y, &wanted.iter().map(|y| 2.0 * y).collect::<Vec<_>>(), 1e-5);
            }
        }
    }

    #[test]
    fn nothing_in_is_nothing_out() {
        assert_eq!(Linear::new(Weights::F32(&[1.0, 2.0]), None, 2, 1).forward(&[]), []);
    }
}
