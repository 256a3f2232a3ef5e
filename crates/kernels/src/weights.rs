//! A layer's weights, packed for good as the registers want them.

use crate::{
    aligned::Aligned,
    product::{arch, blocks, pack},
};
use half::f16;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// A layer's weights as they are handed over, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// Kept as f32.
    F32(&'a [f32]),
    /// Kept as f16, in half the memory, and widened a panel at a time when they are used: each number is the same f32 then,
    /// and so is every result.
    F16(&'a [f16]),
}

impl Weights<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::F16(numbers) => numbers.len(),
        }
    }
}

/// Weights `[rows, k]`: for each block along `k` the panels of `width` rows, in which for each `k` the rows' numbers lie side
/// by side, zeros past the last row.
#[derive(Debug)]
pub(crate) struct Panels {
    /// Rows, with those of zeros.
    height: usize,
    width: usize,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    F32(Aligned),
    /// A panel's first half in the low half of its words, and its second half in the high one: each comes out as a run.
    F16(Vec<u32>),
}

/// Words of a panel.
fn words(numbers: usize) -> usize {
    numbers.div_ceil(2)
}

impl Panels {
    pub(crate) fn new(weights: Weights, rows: usize, k: usize, width: usize) -> Self {
        let height = rows.next_multiple_of(width);
        let panel_rows = |panel: usize| panel * width..rows.min((panel + 1) * width);
        let kept = match weights {
            Weights::F32(weights) => {
                let mut panels = Aligned::zeros(k * height);
                for (at, depth) in blocks(k) {
                    let block = &mut panels[at * height..(at + depth) * height];
                    block.par_chunks_exact_mut(depth * width).enumerate().for_each(|(panel, packed)| {
                        pack(panel_rows(panel).map(|row| &weights[row * k + at..][..depth]), width, packed);
                    });
                }
                Kept::F32(panels)
            }
            Weights::F16(weights) => {
                let of_block = |depth| height / width * words(depth * width);
                let mut panels = vec![0; blocks(k).map(|(_, depth)| of_block(depth)).sum()];
                let mut left = panels.as_mut_slice();
                for (at, depth) in blocks(k) {
                    let (block, behind) = left.split_at_mut(of_block(depth));
                    left = behind;
                    let panels = block.par_chunks_exact_mut(words(depth * width)).enumerate();
                    panels.for_each_init(Vec::new, |packed: &mut Vec<f16>, (panel, words)| {
                        packed.clear();
                        packed.resize(2 * words.len(), f16::ZERO);
                        let rows = panel_rows(panel).map(|row| &weights[row * k + at..][..depth]);
                        pack(rows, width, &mut packed[..depth * width]);
                        let (low, high) = packed.split_at(words.len());
                        for (word, (low, high)) in words.iter_mut().zip(low.iter().zip(high)) {
                            *word = u32::from(low.to_bits()) | u32::from(high.to_bits()) << 16;
                        }
                    });
                }
                Kept::F16(panels)
            }
        };
        Self { height, width, kept }
    }

    /// The `panel`th of the block of `depth` from `at` on; widened into `room` where it is kept in f16.
    pub(crate) fn panel<'p>(&'p self, (at, depth): (usize, usize), panel: usize, room: &'p mut Aligned) -> &'p [f32] {
        let numbers = depth * self.width;
        match &self.kept {
            Kept::F32(panels) => &panels[at * self.height + panel * numbers..][..numbers],
            Kept::F16(panels) => {
                let words = words(numbers);
                // Only the last block can be of an odd depth, so those before it have a word for two numbers.
                let from = &panels[at * self.height / 2 + panel * words..][..words];
                room.resize(2 * words);
                let (low, high) = room.split_at_mut(words);
                arch().dispatch(Widen { words: from, low, high });
                &room[..numbers]
            }
        }
    }
}

/// Two runs of f16 numbers, from words that hold one of each.
struct Widen<'a> {
    words: &'a [u32],
    low: &'a mut [f32],
    high: &'a mut [f32],
}

impl WithSimd for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { words, low, high } = self;
        let sixteen = simd.splat_u32s(16);
        let (words, rest) = S::as_simd_u32s(words);
        let ((low, low_rest), (high, high_rest)) = (S::as_mut_simd_f32s(low), S::as_mut_simd_f32s(high));
        for (word, (low, high)) in words.iter().zip(low.iter_mut().zip(high)) {
            *low = widened(simd, simd.wrapping_dyn_shl_u32s(*word, sixteen));
            *high = widened(simd, *word);
        }
        let word = simd.partial_load_u32s(rest);
        simd.partial_store_f32s(low_rest, widened(simd, simd.wrapping_dyn_shl_u32s(word, sixteen)));
        simd.partial_store_f32s(high_rest, widened(simd, word));
    }
}

/// The f16 numbers in the upper halves, exactly, whatever they are. By its bits, since not every processor widens them in an
/// instruction; one product with a power of two would do, but stumbles over each subnormal on some.
#[inline(always)]
fn widened<S: Simd>(simd: S, halves: S::u32s) -> S::f32s {
    let splat = |bits: u32| simd.splat_u32s(bits);
    /// The exponents' difference, where f32 has it.
    const HIGHER: u32 = (127 - 15) << 23;
    const ONE: u32 = 1 << 23;
    const SMALLEST: f32 = f32::from_bits(HIGHER + ONE);
    let sign = simd.and_u32s(halves, splat(0x8000_0000));
    let magnitude = simd.wrapping_dyn_shr_u32s(simd.and_u32s(halves, splat(0x7fff_0000)), splat(3));
    let normal = simd.add_u32s(magnitude, splat(HIGHER));
    // A subnormal's bits are its distance from zero in units: so many above the smallest normal number.
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

    #[test]
    fn every_f16_number_is_widened_exactly() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let panels = Panels::new(Weights::F16(&all), 1, all.len(), 1);
        let mut room = Aligned::default();
        for block in blocks(all.len()) {
            let widened = panels.panel(block, 0, &mut room);
            for (half, widened) in all[block.0..].iter().zip(widened) {
                let wanted = half.to_f32();
                assert!(
                    wanted.to_bits() == widened.to_bits() || wanted.is_nan() && widened.is_nan(),
                    "{half}: {widened}"
                );
            }
        }
    }

    #[test]
    fn panels_of_both_kinds_hold_the_same() {
        for (rows, k, width) in [(1, 1, 14), (5, 7, 3), (33, 385, 13), (64, 768, 32), (29, 801, 6)] {
            let halves: Vec<f16> =
                (0..rows * k).map(|i| f16::from_f32((i * 7919 % 1009) as f32 / 1009.0 - 0.5)).collect();
            let numbers: Vec<f32> = halves.iter().map(|half| half.to_f32()).collect();
            let (wide, narrow) = [Weights::F32(&numbers), Weights::F16(&halves)]
                .map(|weights| Panels::new(weights, rows, k, width))
                .into();
            let (mut room, mut other) = (Aligned::default(), Aligned::default());
            for block in blocks(k) {
                for panel in 0..rows.div_ceil(width) {
                    assert_eq!(wide.panel(block, panel, &mut room), narrow.panel(block, panel, &mut other));
                }
            }
        }
    }
}
