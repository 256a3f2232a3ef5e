//! The tile that everything is made of: `C += A B` over panels that lie as the registers want them.
//!
//! `A` comes in panels of [`Tile::rows`] rows, for each `k` the rows' values side by side; `B` in panels of
//! [`Tile::columns`] columns, likewise. Both are cut into blocks of at most [`DEPTH`] along `k`.

use pulp::{Arch, Simd, WithSimd, bytemuck};

/// The longest block along `k`. A panel of `B` is then 48 kB with AVX-512, and comes from the second cache as
/// quickly as the registers take it; shorter blocks read and write `C` more often (256: a tenth slower).
pub(crate) const DEPTH: usize = 384;

/// The registers' tile on this processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Rows of the tile with 32 registers, two of which hold `B` and 28 the tile; and with 16, as AVX2 has.
const ROWS: usize = 14;
const ROWS_OF_16: usize = 6;
/// Rows where the shorter side is a head of 64: five panels then hold 65 rows, where 14 would make 70.
const ROWS_OF_HEAD: usize = 13;

/// The widest vectors that this processor has.
pub(crate) fn arch() -> Arch {
    Arch::new()
}

impl Tile {
    /// Of products.
    pub(crate) fn of_products() -> Self {
        Self::with(|has_32| if has_32 { ROWS } else { ROWS_OF_16 })
    }

    /// Of attention.
    pub(crate) fn of_heads() -> Self {
        Self::with(|has_32| if has_32 { ROWS_OF_HEAD } else { ROWS_OF_16 })
    }

    fn with(rows: fn(bool) -> usize) -> Self {
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        let lanes = arch().dispatch(Lanes);
        // AVX2 has eight lanes and 16 registers; AVX-512 and NEON have 32.
        Self { rows: rows(lanes != 8), columns: 2 * lanes }
    }
}

/// The blocks along `k`: where each begins, and how long it is.
pub(crate) fn blocks(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).step_by(DEPTH).map(move |at| (at, DEPTH.min(k - at)))
}

/// The widest panel: two vectors of AVX-512.
const WIDEST: usize = 32;

/// Rows as one panel: for each `k` the rows' values side by side, zeros past the last row.
///
/// A square of 16 rows' lines at a time: row by row, each value written would touch another line, and a panel has
/// more of them than the first cache.
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

/// What a block of a product is added to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Onto<'a> {
    /// What `C` holds already; else it is overwritten.
    pub(crate) itself: bool,
    /// Numbers beside it.
    pub(crate) bias: Bias<'a>,
}

/// Numbers that are added to each row or column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bias<'a> {
    None,
    /// A number for each row of `C`.
    Rows(&'a [f32]),
    /// A number for each column of `C`.
    Columns(&'a [f32]),
}

impl Onto<'_> {
    /// `C = A B`
    pub(crate) const NOTHING: Self = Self { itself: false, bias: Bias::None };
    /// `C += A B`
    pub(crate) const ITSELF: Self = Self { itself: true, bias: Bias::None };

    /// The same, for what begins at a later row.
    pub(crate) fn from_row(self, row: usize) -> Self {
        let bias = match self.bias {
            Bias::Rows(add) => Bias::Rows(&add[row..]),
            other => other,
        };
        Self { bias, ..self }
    }
}

/// One block of a product: `C[m, n] (+)= A[m, depth] B[depth, n] (+ bias)`.
pub(crate) struct Block<'a> {
    pub(crate) tile: Tile,
    pub(crate) depth: usize,
    /// Panels of `A`, one after the other.
    pub(crate) a: &'a [f32],
    /// Panels of `B`, one after the other.
    pub(crate) b: &'a [f32],
    /// From its first number on.
    pub(crate) c: &'a mut [f32],
    /// Numbers from a row of `C` to the next.
    pub(crate) stride: usize,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) onto: Onto<'a>,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.tile.rows {
            ROWS => self.run::<S, ROWS>(simd),
            ROWS_OF_HEAD => self.run::<S, ROWS_OF_HEAD>(simd),
            _ => self.run::<S, ROWS_OF_16>(simd),
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize>(self, simd: S) {
        let Self { depth, a, b, c, stride, m, n, onto, .. } = self;
        let columns = 2 * S::F32_LANES;
        for (at_n, b) in (0..n).step_by(columns).zip(b.chunks_exact(depth * columns)) {
            for (at_m, a) in (0..m).step_by(R).zip(a.chunks_exact(depth * R)) {
                let tile = tile::<S, R>(simd, a, b);
                let (height, width) = (R.min(m - at_m), columns.min(n - at_n));
                for (row, sums) in tile.iter().enumerate().take(height) {
                    let sums: &[f32] = bytemuck::cast_slice(sums);
                    let at = (at_m + row) * stride + at_n;
                    let c = &mut c[at..at + width];
                    match onto.itself {
                        true => c.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum),
                        false => c.copy_from_slice(&sums[..width]),
                    }
                    match onto.bias {
                        Bias::None => {}
                        Bias::Rows(add) => c.iter_mut().for_each(|c| *c += add[at_m + row]),
                        Bias::Columns(add) => {
                            c.iter_mut().zip(&add[at_n..at_n + width]).for_each(|(c, add)| *c += add);
                        }
                    }
                }
            }
        }
    }
}

/// `R` rows of two vectors: the sums over `k` of `a[k][row] * b[k][column]`.
#[inline(always)]
fn tile<S: Simd, const R: usize>(simd: S, a: &[f32], b: &[f32]) -> [[S::f32s; 2]; R] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; R];
    let (b, _) = S::as_simd_f32s(b);
    let (b, _) = b.as_chunks::<2>();
    let (a, _) = a.as_chunks::<R>();
    for (a, [b0, b1]) in a.iter().zip(b) {
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = simd.splat_f32s(*a);
            sums[0] = simd.mul_add_f32s(a, *b0, sums[0]);
            sums[1] = simd.mul_add_f32s(a, *b1, sums[1]);
        }
    }
    sums
}
