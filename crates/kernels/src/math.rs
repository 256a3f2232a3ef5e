//! Elementwise functions.

use crate::product::arch;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// `e^x`, within 2e-7 relative; 1e-38 for all x below -87.3, and 2e38 for all x above 88.
///
/// Cephes' `expf`: `2^n` through the exponent bits, and a polynomial for the rest.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |x: f32| simd.splat_f32s(x);
    // Adding it leaves no bits for a fraction: the low bits are then x rounded to an integer.
    const ROUND: f32 = 12_582_912.0;
    const POLYNOMIAL: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let x = simd.min_f32s(simd.max_f32s(x, splat(-87.3)), splat(88.0));
    let shifted = simd.mul_add_f32s(x, splat(std::f32::consts::LOG2_E), splat(ROUND));
    let n = simd.sub_f32s(shifted, splat(ROUND));
    let rest = simd.mul_add_f32s(n, splat(-0.693_359_4), x);
    let rest = simd.mul_add_f32s(n, splat(2.121_944_4e-4), rest);
    let mut sum = splat(POLYNOMIAL[0]);
    for factor in &POLYNOMIAL[1..] {
        sum = simd.mul_add_f32s(sum, rest, splat(*factor));
    }
    let sum = simd.add_f32s(simd.mul_add_f32s(sum, simd.mul_f32s(rest, rest), rest), splat(1.0));
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.transmute_f32s_u32s(simd.add_u32s(bits, simd.splat_u32s(127 << 23)));
    simd.mul_f32s(sum, power)
}

/// `x * sigmoid(x)`.
#[inline(always)]
pub(crate) fn silu_of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let below = simd.add_f32s(simd.splat_f32s(1.0), exp(simd, simd.neg_f32s(x)));
    simd.div_f32s(x, below)
}

/// `x * (1 + erf(x / √2)) / 2`, where erf is a quotient of polynomials as in Eigen, within a few units in the last
/// place.
#[inline(always)]
fn gelu_of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2];
    let splat = |x: f32| simd.splat_f32s(x);
    let at = simd.mul_f32s(x, splat(std::f32::consts::FRAC_1_SQRT_2));
    let at = simd.min_f32s(simd.max_f32s(at, splat(-4.0)), splat(4.0));
    let square = simd.mul_f32s(at, at);
    let polynomial = |factors: &[f32]| {
        let first = splat(factors[0]);
        factors[1..].iter().fold(first, |sum, factor| simd.mul_add_f32s(sum, square, splat(*factor)))
    };
    let erf = simd.div_f32s(simd.mul_f32s(at, polynomial(&ABOVE)), polynomial(&BELOW));
    let half = simd.mul_f32s(x, splat(0.5));
    simd.mul_add_f32s(half, erf, half)
}

/// Numbers per task: distributing a task then costs about a hundredth of its work.
const TASK: usize = 16_384;

/// `x * sigmoid(x)` for each number, in place.
pub fn silu(x: &mut [f32]) {
    x.par_chunks_mut(TASK).for_each(|x| arch().dispatch(Silu(x)));
}

struct Silu<'a>(&'a mut [f32]);

impl WithSimd for Silu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (whole, rest) = S::as_mut_simd_f32s(self.0);
        whole.iter_mut().for_each(|x| *x = silu_of(simd, *x));
        if !rest.is_empty() {
            simd.partial_store_f32s(rest, silu_of(simd, simd.partial_load_f32s(rest)));
        }
    }
}

/// `max(x, 0) + slope * min(x, 0)` for each number, in place, with a slope for each channel (He et al., 2015).
///
/// # Shapes
/// `x`: `[.., channels, pixels]`, `slopes`: `[channels]`
///
/// # Panics
/// If `x` is not a whole number of channels.
pub fn prelu(x: &mut [f32], slopes: &[f32], pixels: usize) {
    assert!(x.len().is_multiple_of((slopes.len() * pixels).max(1)), "planes of {pixels} for each of {}", slopes.len());
    x.par_chunks_mut(pixels.max(1)).enumerate().for_each(|(plane, x)| {
        let slope = slopes[plane % slopes.len()];
        x.par_chunks_mut(TASK).for_each(|x| arch().dispatch(Prelu { x, slope }));
    });
}

/// `a * gelu(b)` (Shazeer, 2020), where each row is `a` followed by `b`.
///
/// # Shapes
/// `x`: `[rows, 2 * inner]`; result `[rows, inner]`
///
/// # Panics
/// If `x` is not a whole number of rows.
pub fn geglu(x: &[f32], inner: usize) -> Vec<f32> {
    assert!(x.len().is_multiple_of(2 * inner.max(1)), "rows of twice {inner}");
    let mut y = vec![0.0; x.len() / 2];
    let rows = TASK.div_ceil(inner.max(1));
    let tasks = y.par_chunks_mut((rows * inner).max(1)).zip(x.par_chunks((2 * rows * inner).max(1)));
    tasks.for_each(|(y, x)| arch().dispatch(Geglu { x, y, inner }));
    y
}

struct Prelu<'a> {
    x: &'a mut [f32],
    slope: f32,
}

impl WithSimd for Prelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (zero, slope) = (simd.splat_f32s(0.0), simd.splat_f32s(self.slope));
        let of = |x| simd.mul_add_f32s(slope, simd.min_f32s(x, zero), simd.max_f32s(x, zero));
        let (whole, rest) = S::as_mut_simd_f32s(self.x);
        whole.iter_mut().for_each(|x| *x = of(*x));
        if !rest.is_empty() {
            simd.partial_store_f32s(rest, of(simd.partial_load_f32s(rest)));
        }
    }
}

struct Geglu<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    inner: usize,
}

impl WithSimd for Geglu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (x, y) in self.x.chunks_exact(2 * self.inner).zip(self.y.chunks_exact_mut(self.inner)) {
            let (value, gate) = x.split_at(self.inner);
            let ((value, value_rest), (gate, gate_rest)) = (S::as_simd_f32s(value), S::as_simd_f32s(gate));
            let (y, y_rest) = S::as_mut_simd_f32s(y);
            for ((y, value), gate) in y.iter_mut().zip(value).zip(gate) {
                *y = simd.mul_f32s(*value, gelu_of(simd, *gate));
            }
            if !y_rest.is_empty() {
                let gate = gelu_of(simd, simd.partial_load_f32s(gate_rest));
                simd.partial_store_f32s(y_rest, simd.mul_f32s(simd.partial_load_f32s(value_rest), gate));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Pseudo-random numbers from -1 to 1.
    pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// Checks that the largest difference is at most `within` times the largest number.
    #[track_caller]
    pub(crate) fn assert_close(found: &[f32], wanted: &[f32], within: f32) {
        assert_eq!(found.len(), wanted.len());
        let largest = wanted.iter().fold(1e-6_f32, |most, x| most.max(x.abs()));
        let worst = found
            .iter()
            .zip(wanted)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0_f32, |most, x| if x.is_nan() { f32::INFINITY } else { most.max(x) });
        assert!(worst <= within * largest, "off by {worst} where the largest is {largest}");
    }

    /// The series of erf in f64; accurate up to 6.
    fn erf(x: f64) -> f64 {
        let (mut sum, mut term) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn silu_is_what_it_says_everywhere() {
        let x: Vec<f32> = (-2000..2001).map(|i| i as f32 / 17.0).collect();
        let mut y = x.clone();
        silu(&mut y);
        for (x, y) in x.iter().zip(y) {
            let wanted = f64::from(*x) / (1.0 + (-f64::from(*x)).exp());
            assert!((f64::from(y) - wanted).abs() <= 3e-7 * wanted.abs().max(1e-6), "{x}: {y}, not {wanted}");
        }
    }

    #[test]
    fn geglu_is_what_it_says_everywhere() {
        let gates: Vec<f32> = (-901..902).map(|i| i as f32 / 151.0).collect();
        let inner = gates.len();
        let x: Vec<f32> = (0..inner).map(|i| 1.0 + i as f32 / 100.0).chain(gates.iter().copied()).collect();
        let twice = [x.clone(), x.clone()].concat();
        let y = geglu(&twice, inner);
        assert_eq!(y[..inner], y[inner..]);
        for ((value, gate), y) in x.iter().zip(&gates).zip(y) {
            let (value, gate) = (f64::from(*value), f64::from(*gate));
            let wanted = value * gate * 0.5 * (1.0 + erf(gate / std::f64::consts::SQRT_2));
            assert!((f64::from(y) - wanted).abs() <= 1e-6 * value, "{gate}: {y}, not {wanted}");
        }
    }
}
