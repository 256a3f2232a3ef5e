//! Weights of a layer, packed once for the registers.

use crate::{
    aligned::Aligned,
    product::{arch, blocks, pack},
};
use half::{bf16, f16, slice::HalfFloatSliceExt};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Weights of a layer as passed by the caller, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// Stored as f32.
    F32(&'a [f32]),
    /// Stored as f16, with half the memory, and converted one panel at a time when used. The conversion to f32 is
    /// exact, so results are the same.
    F16(&'a [f16]),
    /// Stored as bfloat16, otherwise like f16.
    Bf16(&'a [bf16]),
}

impl Weights<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::F16(numbers) => numbers.len(),
            Self::Bf16(numbers) => numbers.len(),
        }
    }
}

/// Weights `[rows, k]`. For each block along `k` there are panels of `width` rows; in a panel the values of all rows
/// for the same `k` are adjacent, with zeros after the last row.
#[derive(Debug)]
pub(crate) struct Panels {
    shape: Shape,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    F32(Aligned),
    /// Two numbers per word. A panel's first half is in the low halves of its words, its second half in the high
    /// halves, so each half is unpacked as a contiguous run.
    Narrow(Vec<u32>, Format),
}

/// A 16-bit number format.
#[derive(Clone, Copy, Debug)]
enum Format {
    F16,
    Bf16,
}

/// Number of words in a panel.
fn words(numbers: usize) -> usize {
    numbers.div_ceil(2)
}

impl Panels {
    pub(crate) fn new(weights: Weights, rows: usize, k: usize, width: usize) -> Self {
        let shape = Shape { rows, k, width };
        let kept = match weights {
            Weights::F32(weights) => Kept::F32(shape.pack_wide(weights)),
            Weights::F16(weights) => Kept::Narrow(shape.pack_narrow(weights.reinterpret_cast()), Format::F16),
            Weights::Bf16(weights) => Kept::Narrow(shape.pack_narrow(weights.reinterpret_cast()), Format::Bf16),
        };
        Self { shape, kept }
    }

    /// Panel number `panel` of the block with length `depth` at `at`. If it is stored in 16 bits, it is converted into
    /// `room`.
    pub(crate) fn panel<'p>(&'p self, (at, depth): (usize, usize), panel: usize, room: &'p mut Aligned) -> &'p [f32] {
        let numbers = depth * self.shape.width;
        match &self.kept {
            Kept::F32(panels) => &panels[at * self.shape.height() + panel * numbers..][..numbers],
            Kept::Narrow(panels, format) => {
                let words = words(numbers);
                // Only the last block can have an odd depth, so all earlier ones have one word per two numbers.
                let from = &panels[at * self.shape.height() / 2 + panel * words..][..words];
                room.resize(2 * words);
                let (low, high) = room.split_at_mut(words);
                arch().dispatch(Widen { words: from, format: *format, low, high });
                &room[..numbers]
            }
        }
    }

    /// The weights `[rows, k]`, row-major. Exact: each number is the one that was packed.
    pub(crate) fn unpack(&self) -> Vec<f32> {
        let Shape { rows, k, width } = self.shape;
        let mut weights = vec![0.0; rows * k];
        let panels = weights.par_chunks_mut((width * k).max(1)).enumerate();
        panels.for_each_init(Aligned::default, |room, (panel, weights)| {
            for block @ (at, depth) in blocks(k) {
                let packed = self.panel(block, panel, room);
                for (row, weights) in weights.chunks_exact_mut(k).enumerate() {
                    let numbers = packed[row..].iter().step_by(width);
                    weights[at..at + depth].iter_mut().zip(numbers).for_each(|(to, from)| *to = *from);
                }
            }
        });
        weights
    }

    /// Whether the numbers are stored in 16 bits.
    pub(crate) fn is_narrow(&self) -> bool {
        matches!(self.kept, Kept::Narrow(..))
    }

    /// Memory of the packed numbers in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.kept {
            Kept::F32(panels) => size_of_val(&panels[..]),
            Kept::Narrow(panels, _) => size_of_val(&panels[..]),
        }
    }
}

/// The dimensions of the packed weights.
#[derive(Clone, Copy, Debug)]
struct Shape {
    rows: usize,
    k: usize,
    width: usize,
}

impl Shape {
    /// Number of rows including padding.
    fn height(&self) -> usize {
        self.rows.next_multiple_of(self.width)
    }

    /// Packs one panel of a block.
    fn pack<T: Copy + Default>(&self, weights: &[T], (at, depth): (usize, usize), panel: usize, packed: &mut [T]) {
        let rows = panel * self.width..self.rows.min((panel + 1) * self.width);
        pack(rows.map(|row| &weights[row * self.k + at..][..depth]), self.width, packed);
    }

    fn pack_wide(&self, weights: &[f32]) -> Aligned {
        let mut panels = Aligned::zeros(self.k * self.height());
        for block @ (at, depth) in blocks(self.k) {
            let panels = &mut panels[at * self.height()..(at + depth) * self.height()];
            let panels = panels.par_chunks_exact_mut(depth * self.width).enumerate();
            panels.for_each(|(panel, packed)| self.pack(weights, block, panel, packed));
        }
        panels
    }

    fn pack_narrow(&self, weights: &[u16]) -> Vec<u32> {
        let of_block = |depth| self.height() / self.width * words(depth * self.width);
        let mut panels = vec![0; blocks(self.k).map(|(_, depth)| of_block(depth)).sum()];
        let mut left = panels.as_mut_slice();
        for block @ (_, depth) in blocks(self.k) {
            let (panels, behind) = left.split_at_mut(of_block(depth));
            left = behind;
            let panels = panels.par_chunks_exact_mut(words(depth * self.width)).enumerate();
            panels.for_each_init(Vec::new, |packed: &mut Vec<u16>, (panel, words)| {
                packed.clear();
                packed.resize(2 * words.len(), 0);
                self.pack(weights, block, panel, &mut packed[..depth * self.width]);
                let (low, high) = packed.split_at(words.len());
                let numbers = low.iter().zip(high);
                words.iter_mut().zip(numbers).for_each(|(word, (low, high))| {
                    *word = u32::from(*low) | u32::from(*high) << 16;
                });
            });
        }
        panels
    }
}

/// Converts words with two narrow numbers each into two runs of f32.
struct Widen<'a> {
    words: &'a [u32],
    format: Format,
    low: &'a mut [f32],
    high: &'a mut [f32],
}

impl WithSimd for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.format {
            Format::F16 => self.run::<S, false>(simd),
            Format::Bf16 => self.run::<S, true>(simd),
        }
    }
}

impl Widen<'_> {
    #[inline(always)]
    fn run<S: Simd, const BF16: bool>(self, simd: S) {
        let Self { words, low, high, .. } = self;
        let sixteen = simd.splat_u32s(16);
        let (words, rest) = S::as_simd_u32s(words);
        let ((low, low_rest), (high, high_rest)) = (S::as_mut_simd_f32s(low), S::as_mut_simd_f32s(high));
        for (word, (low, high)) in words.iter().zip(low.iter_mut().zip(high)) {
            *low = widened::<S, BF16>(simd, simd.wrapping_dyn_shl_u32s(*word, sixteen));
            *high = widened::<S, BF16>(simd, *word);
        }
        let word = simd.partial_load_u32s(rest);
        simd.partial_store_f32s(low_rest, widened::<S, BF16>(simd, simd.wrapping_dyn_shl_u32s(word, sixteen)));
        simd.partial_store_f32s(high_rest, widened::<S, BF16>(simd, word));
    }
}

/// Converts the numbers in the words' upper halves. Not passed as a function value: that would be compiled separately,
/// without the vector instructions, and a step took twice as long.
#[inline(always)]
fn widened<S: Simd, const BF16: bool>(simd: S, halves: S::u32s) -> S::f32s {
    if BF16 { bf16s(simd, halves) } else { f16s(simd, halves) }
}

/// A bfloat16 is the upper half of an f32.
#[inline(always)]
fn bf16s<S: Simd>(simd: S, halves: S::u32s) -> S::f32s {
    simd.transmute_f32s_u32s(simd.and_u32s(halves, simd.splat_u32s(0xffff_0000)))
}

/// Converts the f16 numbers in the upper halves exactly, including subnormals. Works on the bits, because not every CPU
/// has an instruction for it. One multiplication by a power of two would also work, but is slow with subnormals on some
/// CPUs.
#[inline(always)]
fn f16s<S: Simd>(simd: S, halves: S::u32s) -> S::f32s {
    let splat = |bits: u32| simd.splat_u32s(bits);
    /// The difference of the exponents, at the position of the f32 exponent.
    const HIGHER: u32 = (127 - 15) << 23;
    const ONE: u32 = 1 << 23;
    const SMALLEST: f32 = f32::from_bits(HIGHER + ONE);
    let sign = simd.and_u32s(halves, splat(0x8000_0000));
    let magnitude = simd.wrapping_dyn_shr_u32s(simd.and_u32s(halves, splat(0x7fff_0000)), splat(3));
    let normal = simd.add_u32s(magnitude, splat(HIGHER));
    // The bits of a subnormal are its distance from zero, so add them to the smallest normal number and subtract that.
    let above = simd.transmute_f32s_u32s(simd.add_u32s(normal, splat(ONE)));
    let subnormal = simd.transmute_u32s_f32s(simd.sub_f32s(above, simd.splat_f32s(SMALLEST)));
    let infinite = simd.add_u32s(normal, splat(HIGHER));
    let bits = simd.select_u32s(simd.less_than_u32s(magnitude, splat(ONE)), subnormal, normal);
    let bits = simd.select_u32s(simd.less_than_u32s(magnitude, splat(31 * ONE)), bits, infinite);
    simd.transmute_f32s_u32s(simd.or_u32s(bits, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the conversion of every 16-bit number.
    fn assert_widened(weights: Weights, wanted: impl Fn(u16) -> f32) {
        let panels = Panels::new(weights, 1, 1 << 16, 1);
        let (mut room, mut bits) = (Aligned::default(), 0..=u16::MAX);
        for block in blocks(1 << 16) {
            for (widened, bits) in panels.panel(block, 0, &mut room).iter().zip(&mut bits) {
                let wanted = wanted(bits);
                let is_same = wanted.to_bits() == widened.to_bits() || wanted.is_nan() && widened.is_nan();
                assert!(is_same, "{bits:#x}: {widened} for {wanted}");
            }
        }
        assert_eq!(bits.next(), None);
    }

    #[test]
    fn every_number_is_widened_exactly() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        assert_widened(Weights::F16(&all), |bits| f16::from_bits(bits).to_f32());
        let all: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
        assert_widened(Weights::Bf16(&all), |bits| bf16::from_bits(bits).to_f32());
    }

    #[test]
    fn panels_of_all_kinds_hold_the_same() {
        for (rows, k, width) in [(1, 1, 14), (5, 7, 3), (33, 385, 13), (64, 768, 32), (29, 801, 6)] {
            // Numbers that all formats can represent exactly.
            let numbers: Vec<f32> = (0..rows * k).map(|i| (i * 7919 % 251) as f32 / 256.0 - 0.5).collect();
            let f16s: Vec<f16> = numbers.iter().map(|number| f16::from_f32(*number)).collect();
            let bf16s: Vec<bf16> = numbers.iter().map(|number| bf16::from_f32(*number)).collect();
            let kinds = [Weights::F32(&numbers), Weights::F16(&f16s), Weights::Bf16(&bf16s)];
            let [wide, narrow @ ..] = kinds.map(|weights| Panels::new(weights, rows, k, width));
            let (mut room, mut other) = (Aligned::default(), Aligned::default());
            for (block, panel) in blocks(k).flat_map(|block| (0..rows.div_ceil(width)).map(move |panel| (block, panel)))
            {
                let wanted = wide.panel(block, panel, &mut room);
                narrow.iter().for_each(|narrow| assert_eq!(narrow.panel(block, panel, &mut other), wanted));
            }
        }
    }

    #[test]
    fn unpacked_weights_are_those_that_were_packed() {
        let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        for (rows, k, width) in [(1, 1, 14), (5, 7, 3), (33, 385, 13), (64, 768, 32), (29, 801, 6)] {
            // Numbers with bits in every position of the mantissa, of both signs, some of them subnormal in f16.
            let numbers = (0..rows * k).map(|i| ((i * 7919 % 65_521) as f32 - 32_000.3) * 1e-7);
            let f32s: Vec<f32> = numbers.collect();
            let f16s: Vec<f16> = f32s.iter().map(|number| f16::from_f32(*number)).collect();
            let bf16s: Vec<bf16> = f32s.iter().map(|number| bf16::from_f32(*number)).collect();
            let unpacked = |weights| Panels::new(weights, rows, k, width).unpack();
            assert_eq!(bits(&unpacked(Weights::F32(&f32s))), bits(&f32s));
            let wide: Vec<f32> = f16s.iter().map(|number| number.to_f32()).collect();
            assert_eq!(bits(&unpacked(Weights::F16(&f16s))), bits(&wide));
            let wide: Vec<f32> = bf16s.iter().map(|number| number.to_f32()).collect();
            assert_eq!(bits(&unpacked(Weights::Bf16(&bf16s))), bits(&wide));
        }
    }
}
