//! The tile that all products use: `C += A B` on panels packed for the registers.
//!
//! `A` is packed in panels of [`Tile::rows`] rows: for each `k` the values of all rows are adjacent. `B` is packed in
//! panels of [`Tile::columns`] columns in the same way. Both are split into blocks of at most [`DEPTH`] along `k`.

use pulp::{Arch, Simd, WithSimd, bytemuck};
use std::ops::Range;

/// The longest block along `k`. A panel of `B` then takes 48 kB with AVX-512, and is read from the L2 cache as fast as
/// the registers use it. Shorter blocks read and write `C` more often (256: a tenth slower).
pub(crate) const DEPTH: usize = 384;

/// The size of the register tile on this CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Rows of the tile with 32 registers, where two hold `B` and 28 the tile; and with 16 registers, as in AVX2.
const ROWS: usize = 14;
const ROWS_OF_16: usize = 6;
/// Used where fewer rows divide better: for heads of 64, five panels hold 65 instead of 70 rows, and for 128 channels
/// ten panels hold 130.
const FEWER_ROWS: usize = 13;

/// The widest vectors of this CPU.
pub(crate) fn arch() -> Arch {
    Arch::new()
}

impl Tile {
    /// The tile that stores `rows` with the least padding; if two are equal, the larger one.
    pub(crate) fn for_rows(rows: usize) -> Self {
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        let lanes = arch().dispatch(Lanes);
        let held = |of: usize| rows.next_multiple_of(of);
        let rows = match lanes {
            // AVX2 has eight lanes and 16 registers; AVX-512 and NEON have 32.
            8 => ROWS_OF_16,
            _ if (1..=ROWS_OF_16).contains(&rows) => ROWS_OF_16,
            _ if held(FEWER_ROWS) < held(ROWS) => FEWER_ROWS,
            _ => ROWS,
        };
        Self { rows, columns: 2 * lanes }
    }

    /// The tile for any number of rows.
    pub(crate) fn for_any_rows() -> Self {
        Self::for_rows(0)
    }
}

/// The blocks along `k` as (start, length).
pub(crate) fn blocks(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).step_by(DEPTH).map(move |at| (at, DEPTH.min(k - at)))
}

/// The widest panel: two vectors of AVX-512.
const WIDEST: usize = 32;

/// Packs rows into one panel: for each `k` the values of all rows are adjacent, with zeros after the last row.
///
/// Works on squares of 16 rows and one cache line of columns. Packing row by row would touch another line with each
/// value, and a panel has more lines than the L1 cache.
pub(crate) fn pack<'a, T: Copy + Default + 'a>(
    rows: impl ExactSizeIterator<Item = &'a [T]>,
    width: usize,
    panel: &mut [T],
) {
    const LINE: usize = 16;
    let (mut sources, count) = ([[].as_slice(); WIDEST], rows.len());
    sources.iter_mut().zip(rows).for_each(|(source, row)| *source = row);
    for (at, part) in (0..).step_by(LINE).zip(panel.chunks_mut(LINE * width)) {
        let depth = part.len() / width;
        for (column, row) in sources[..count].iter().enumerate() {
            let places = part[column..].iter_mut().step_by(width);
            places.zip(&row[at..at + depth]).for_each(|(to, from)| *to = *from);
        }
        for column in count..width {
            part[column..].iter_mut().step_by(width).for_each(|to| *to = T::default());
        }
    }
}

/// What a partial product is added to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Onto<'a> {
    /// Whether it is added to the content of `C`. Otherwise `C` is overwritten.
    pub(crate) itself: bool,
    /// A value per column of `C` that is added, if given.
    pub(crate) bias: Option<&'a [f32]>,
}

impl Onto<'_> {
    /// `C = A B`
    pub(crate) const NOTHING: Self = Self { itself: false, bias: None };
    /// `C += A B`
    pub(crate) const ITSELF: Self = Self { itself: true, bias: None };
}

/// A computation that runs tile by tile.
pub(crate) trait Tiled {
    /// Runs with tiles of `R` rows and two vectors.
    fn run<S: Simd, const R: usize>(self, simd: S);
}

/// Runs `T` with the given tile size.
pub(crate) struct InTiles<T>(pub(crate) Tile, pub(crate) T);

impl<T: Tiled> WithSimd for InTiles<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(tile, work) = self;
        match tile.rows {
            ROWS => work.run::<S, ROWS>(simd),
            FEWER_ROWS => work.run::<S, FEWER_ROWS>(simd),
            _ => work.run::<S, ROWS_OF_16>(simd),
        }
    }
}

/// The destination of a product.
pub(crate) trait Rows {
    /// The given columns of a row.
    fn part(&mut self, row: usize, columns: Range<usize>) -> &mut [f32];
}

/// Rows at a distance of `stride` numbers.
pub(crate) struct Strided<'c> {
    pub(crate) numbers: &'c mut [f32],
    pub(crate) stride: usize,
}

impl Rows for Strided<'_> {
    #[inline(always)]
    fn part(&mut self, row: usize, columns: Range<usize>) -> &mut [f32] {
        &mut self.numbers[row * self.stride..][columns]
    }
}

/// Rows at arbitrary positions.
impl Rows for &mut [&mut [f32]] {
    #[inline(always)]
    fn part(&mut self, row: usize, columns: Range<usize>) -> &mut [f32] {
        &mut self[row][columns]
    }
}

/// Splits rows into parts of `width` columns. Each part contains its columns of every row, so that a thread can own it.
pub(crate) fn cut<'c>(rows: impl Iterator<Item = &'c mut [f32]>, width: usize) -> Vec<Vec<&'c mut [f32]>> {
    let mut parts: Vec<Vec<_>> = Vec::new();
    for row in rows {
        parts.resize_with(row.len().div_ceil(width), Vec::new);
        parts.iter_mut().zip(row.chunks_mut(width)).for_each(|(part, row)| part.push(row));
    }
    parts
}

/// One block of a product: `C[m, n] (+)= A[m, depth] B[depth, n] (+ bias)`.
pub(crate) struct Block<'a, C> {
    pub(crate) depth: usize,
    /// Panels of `A`, one after another.
    pub(crate) a: &'a [f32],
    /// Panels of `B`, one after another.
    pub(crate) b: &'a [f32],
    pub(crate) c: C,
    /// The first column of `C` that is written.
    pub(crate) column: usize,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) onto: Onto<'a>,
}

impl<C: Rows> Tiled for Block<'_, C> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let Self { depth, a, b, mut c, column, m, n, onto, .. } = self;
        let columns = 2 * S::F32_LANES;
        for (at_n, b) in (0..n).step_by(columns).zip(b.chunks_exact(depth * columns)) {
            for (at_m, a) in (0..m).step_by(R).zip(a.chunks_exact(depth * R)) {
                let tile = tile::<S, R>(simd, a, panel::<S>(b));
                let (height, width) = (R.min(m - at_m), columns.min(n - at_n));
                for (row, sums) in tile.iter().enumerate().take(height) {
                    let at = column + at_n;
                    let c = c.part(at_m + row, at..at + width);
                    put(c, bytemuck::cast_slice(sums), onto.itself);
                    if let Some(bias) = onto.bias {
                        c.iter_mut().zip(&bias[at_n..at_n + width]).for_each(|(c, add)| *c += add);
                    }
                }
            }
        }
    }
}

/// Stores as many sums as `c` can hold, or adds them to its content.
#[inline(always)]
pub(crate) fn put(c: &mut [f32], sums: &[f32], onto_itself: bool) {
    match onto_itself {
        true => c.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum),
        false => c.copy_from_slice(&sums[..c.len()]),
    }
}

/// The rows of a panel of `B`.
#[inline(always)]
pub(crate) fn panel<S: Simd>(b: &[f32]) -> impl Iterator<Item = [S::f32s; 2]> {
    S::as_simd_f32s(b).0.as_chunks::<2>().0.iter().copied()
}

/// `R` rows of two vectors: the sums over `k` of `a[k][row] * b[k][column]`.
#[inline(always)]
pub(crate) fn tile<S: Simd, const R: usize>(
    simd: S,
    a: &[f32],
    b: impl Iterator<Item = [S::f32s; 2]>,
) -> [[S::f32s; 2]; R] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; R];
    let (a, _) = a.as_chunks::<R>();
    for (a, [b0, b1]) in a.iter().zip(b) {
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = simd.splat_f32s(*a);
            sums[0] = simd.mul_add_f32s(a, b0, sums[0]);
            sums[1] = simd.mul_add_f32s(a, b1, sums[1]);
        }
    }
    sums
}
