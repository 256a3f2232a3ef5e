//! Scaled dot-product attention.

use crate::{
    aligned::Aligned,
    linear::pack_rows,
    math::exp,
    product::{Block, InTiles, Onto, Strided, Tile, arch},
};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// `softmax(Q Kᵀ / √d) V` for each head, in tiles: only the scores of some keys with some queries exist at a time (Dao
/// et al., FlashAttention, 2022; the running softmax is from Milakov and Gimelshein, 2018).
///
/// # Shapes
/// `q`: `[batch, n, heads * d]`; `k`, `v`: `[batch, m, heads * d]`; the result has the shape of `q`
///
/// # Panics
/// If the lengths do not match.
pub fn attention(q: &[f32], k: &[f32], v: &[f32], batch: usize, heads: usize, d: usize) -> Vec<f32> {
    let width = heads * d;
    let rows = (batch * width).max(1);
    assert!(q.len().is_multiple_of(rows) && k.len().is_multiple_of(rows) && k.len() == v.len(), "rows of {width}");
    let (n, m) = (q.len() / rows, k.len() / rows);
    let mut y = vec![0.0; q.len()];
    if y.is_empty() || m == 0 {
        return y;
    }
    let tile = Tile::for_rows(d);
    let packed: Vec<Keys> = (0..batch * heads)
        .into_par_iter()
        .map(|at| {
            let head = at / heads * m * width + at % heads * d;
            let head = head..head + (m - 1) * width + d;
            Keys::new(&k[head.clone()], &v[head], width, d, tile)
        })
        .collect();
    // All queries of a task use the keys that are in the cache.
    let share = (batch * n).div_ceil(rayon::current_num_threads());
    let queries = share.clamp(tile.columns, PANELS * tile.columns).next_multiple_of(tile.columns);
    y.par_chunks_exact_mut(n * width).zip(q.par_chunks_exact(n * width)).enumerate().for_each(|(picture, (y, q))| {
        let tasks = y.par_chunks_mut(queries * width).zip(q.par_chunks(queries * width));
        tasks.for_each(|(y, q)| {
            for head in 0..heads {
                let keys = &packed[picture * heads + head];
                arch().dispatch(Task { keys, q: &q[head * d..], y: &mut y[head * d..], stride: width, tile });
            }
        });
    });
    y
}

/// The maximum number of panels of queries in a task.
const PANELS: usize = 4;
/// Panels of keys per block: their scores with one panel of queries take 17 kB and stay in the L1 cache.
const PANELS_OF_KEYS: usize = 10;

/// Keys and values of a head, packed for the registers.
struct Keys {
    d: usize,
    blocks: Vec<KeyBlock>,
}

struct KeyBlock {
    count: usize,
    /// Panels of keys, divided by `√d`.
    keys: Aligned,
    /// Panels of columns of the values.
    values: Aligned,
}

impl Keys {
    /// Packs `k` and `v`, which start at the head's first number; rows are `width` numbers apart.
    fn new(k: &[f32], v: &[f32], width: usize, d: usize, tile: Tile) -> Self {
        let scale = 1.0 / (d as f32).sqrt();
        let step = PANELS_OF_KEYS * tile.rows * width;
        let block = |(k, v): (&[f32], &[f32])| {
            let count = k.len().div_ceil(width);
            let mut keys = Aligned::default();
            pack_rows(k, width, 0..d, tile.rows, &mut keys);
            keys.iter_mut().for_each(|key| *key *= scale);
            let mut values = Aligned::zeros(d.next_multiple_of(tile.rows) * count);
            for (first, panel) in (0..d).step_by(tile.rows).zip(values.chunks_exact_mut(tile.rows * count)) {
                let height = tile.rows.min(d - first);
                for (key, to) in panel.chunks_exact_mut(tile.rows).enumerate() {
                    to[..height].copy_from_slice(&v[key * width + first..][..height]);
                }
            }
            KeyBlock { count, keys, values }
        };
        Self { d, blocks: k.chunks(step).zip(v.chunks(step)).map(block).collect() }
    }
}

/// Some queries of a head, with all keys. Each query is a column, so no sum or maximum is taken across a vector's
/// lanes.
struct Task<'a> {
    keys: &'a Keys,
    /// Starts at this head's first number of the first query.
    q: &'a [f32],
    y: &'a mut [f32],
    /// Distance between rows, in numbers.
    stride: usize,
    tile: Tile,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (d, columns) = (self.keys.d, self.tile.columns);
        let count = self.q.len().div_ceil(self.stride);
        let mut queries = Aligned::default();
        pack_rows(self.q, self.stride, 0..d, columns, &mut queries);
        let panels = count.div_ceil(columns);
        let mut running = vec![Running::<S>::new(simd); panels];
        let mut sums = Aligned::zeros(panels * d * columns);
        let mut scores = Aligned::zeros(PANELS_OF_KEYS * self.tile.rows * columns);
        for block in &self.keys.blocks {
            let panels = queries.chunks_exact(d * columns).zip(sums.chunks_exact_mut(d * columns)).zip(&mut running);
            for ((queries, sums), running) in panels {
                let scores = &mut scores[..block.count * columns];
                let product = Block {
                    depth: d,
                    a: &block.keys,
                    b: queries,
                    c: Strided { numbers: scores, stride: columns },
                    column: 0,
                    m: block.count,
                    n: columns,
                    onto: Onto::NOTHING,
                };
                InTiles(self.tile, product).with_simd(simd);
                running.weigh(simd, scores, sums);
                let product = Block {
                    depth: block.count,
                    a: &block.values,
                    b: scores,
                    c: Strided { numbers: sums, stride: columns },
                    column: 0,
                    m: d,
                    n: columns,
                    onto: Onto::ITSELF,
                };
                InTiles(self.tile, product).with_simd(simd);
            }
        }
        for (query, y) in self.y.chunks_mut(self.stride).enumerate() {
            let (panel, column) = (query / columns, query % columns);
            let inverse = 1.0 / running[panel].weight(column);
            let sums = sums[panel * d * columns + column..].iter().step_by(columns);
            y[..d].iter_mut().zip(sums).for_each(|(y, sum)| *y = sum * inverse);
        }
    }
}

/// State of the running softmax for each query: its largest score so far, and the sum of the weights.
#[derive(Clone, Copy)]
struct Running<S: Simd> {
    most: [S::f32s; 2],
    weight: [S::f32s; 2],
}

impl<S: Simd> Running<S> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        Self { most: [simd.splat_f32s(f32::MIN); 2], weight: [simd.splat_f32s(0.0); 2] }
    }

    /// Turns scores into weights, and rescales the previous sums to the new largest score.
    #[inline(always)]
    fn weigh(&mut self, simd: S, scores: &mut [f32], sums: &mut [f32]) {
        let (scores, _) = S::as_mut_simd_f32s(scores);
        let (scores, _) = scores.as_chunks_mut::<2>();
        let (sums, _) = S::as_mut_simd_f32s(sums);
        let (sums, _) = sums.as_chunks_mut::<2>();
        for at in 0..2 {
            let most = scores.iter().fold(self.most[at], |most, row| simd.max_f32s(most, row[at]));
            let shrink = exp(simd, simd.sub_f32s(self.most[at], most));
            let mut weight = simd.mul_f32s(self.weight[at], shrink);
            for row in scores.iter_mut() {
                row[at] = exp(simd, simd.sub_f32s(row[at], most));
                weight = simd.add_f32s(weight, row[at]);
            }
            sums.iter_mut().for_each(|row| row[at] = simd.mul_f32s(row[at], shrink));
            (self.most[at], self.weight[at]) = (most, weight);
        }
    }

    fn weight(&self, column: usize) -> f32 {
        let weights: &[f32] = pulp::bytemuck::cast_slice(&self.weight);
        weights[column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::tests::{assert_close, numbers};

    /// Reference in f64, from the definition.
    fn by_definition(q: &[f32], k: &[f32], v: &[f32], batch: usize, heads: usize, d: usize) -> Vec<f32> {
        let width = heads * d;
        let (n, m) = (q.len() / batch / width, k.len() / batch / width);
        let mut y = vec![0.0; q.len()];
        for (at, query, head) in
            (0..batch).flat_map(|at| (0..n).flat_map(move |query| (0..heads).map(move |head| (at, query, head))))
        {
            let from = (at * n + query) * width + head * d;
            let key = |key: usize| (at * m + key) * width + head * d;
            let score = |at: usize| {
                let products = q[from..from + d].iter().zip(&k[key(at)..]).map(|(q, k)| f64::from(*q) * f64::from(*k));
                products.sum::<f64>() / (d as f64).sqrt()
            };
            let scores: Vec<f64> = (0..m).map(score).collect();
            let most = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
            let all: f64 = weights.iter().sum();
            for column in 0..d {
                let sum: f64 = (0..m).map(|at| weights[at] * f64::from(v[key(at) + column])).sum();
                y[from + column] = (sum / all) as f32;
            }
        }
        y
    }

    #[test]
    fn it_is_attention_at_every_size() {
        for (batch, n, m, heads, d) in
            [(1, 1, 1, 1, 1), (2, 5, 7, 3, 4), (1, 33, 77, 2, 64), (2, 130, 300, 2, 20), (1, 70, 261, 1, 300)]
        {
            let width = heads * d;
            let q: Vec<f32> = numbers(batch * n * width, 1).iter().map(|q| q * 6.0).collect();
            let (k, v) = (numbers(batch * m * width, 2), numbers(batch * m * width, 3));
            let y = attention(&q, &k, &v, batch, heads, d);
            assert_close(&y, &by_definition(&q, &k, &v, batch, heads, d), 1e-5);
        }
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let (q, k, v) = (vec![300.0; 64], numbers(200 * 64, 2), numbers(200 * 64, 3));
        assert_close(&attention(&q, &k, &v, 1, 1, 64), &by_definition(&q, &k, &v, 1, 1, 64), 1e-4);
    }
}
