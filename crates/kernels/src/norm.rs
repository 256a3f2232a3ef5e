//! Group and layer normalisation.

use crate::{math::silu_of, product::arch};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Group normalisation (Wu and He, 2018), in place, followed by SiLU if `silu`. Normalises each group of channels of
/// each picture to mean 0 and variance 1, then applies each channel's scale and shift.
///
/// # Shapes
/// `x`: `[pictures, channels, pixels]`; `weight`, `bias`: `[channels]`
///
/// # Panics
/// If the channels are not a whole number of groups, or `x` is not a whole number of pictures.
pub fn group_norm(x: &mut [f32], pixels: usize, groups: usize, weight: &[f32], bias: &[f32], epsilon: f32, silu: bool) {
    let channels = weight.len();
    assert!(bias.len() == channels && channels.is_multiple_of(groups.max(1)), "{channels} channels, {groups} groups");
    assert!(x.len().is_multiple_of((channels * pixels).max(1)), "pictures of {channels} by {pixels}");
    let each = channels / groups.max(1);
    x.par_chunks_exact_mut((each * pixels).max(1)).enumerate().for_each(|(group, x)| {
        let first = group % groups * each;
        let (weight, bias) = (&weight[first..first + each], &bias[first..first + each]);
        arch().dispatch(Group { x, pixels, weight, bias, epsilon, silu });
    });
}

struct Group<'a> {
    x: &'a mut [f32],
    pixels: usize,
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
    silu: bool,
}

impl WithSimd for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (mean, inverse_std) = moments(simd, self.x, self.epsilon);
        let mean = simd.splat_f32s(mean);
        for ((x, weight), bias) in self.x.chunks_exact_mut(self.pixels).zip(self.weight).zip(self.bias) {
            let scale = weight * inverse_std;
            let (scale, bias) = (simd.splat_f32s(scale), simd.splat_f32s(*bias));
            // Not `x * scale + (bias - mean * scale)`: with a large mean both terms are large, and their difference
            // loses its last digits.
            let of = |x| simd.mul_add_f32s(simd.sub_f32s(x, mean), scale, bias);
            let (whole, rest) = S::as_mut_simd_f32s(x);
            if self.silu {
                whole.iter_mut().for_each(|x| *x = silu_of(simd, of(*x)));
            } else {
                whole.iter_mut().for_each(|x| *x = of(*x));
            }
            if !rest.is_empty() {
                let y = of(simd.partial_load_f32s(rest));
                simd.partial_store_f32s(rest, if self.silu { silu_of(simd, y) } else { y });
            }
        }
    }
}

/// Layer normalisation of each row.
///
/// # Shapes
/// `x`: `[rows, width]`; `weight`, `bias`: `[width]`; the result has the shape of `x`
///
/// # Panics
/// If `x` is not a whole number of rows.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) -> Vec<f32> {
    let width = weight.len().max(1);
    assert!(bias.len() == weight.len() && x.len().is_multiple_of(width), "rows of {width}");
    let mut y = vec![0.0; x.len()];
    // About 16,000 numbers per task, as in the elementwise functions.
    let task = 16_384_usize.div_ceil(width) * width;
    y.par_chunks_mut(task)
        .zip(x.par_chunks(task))
        .for_each(|(y, x)| arch().dispatch(Rows { x, y, weight, bias, epsilon }));
    y
}

struct Rows<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.weight.len();
        let ((weight, weight_rest), (bias, bias_rest)) = (S::as_simd_f32s(self.weight), S::as_simd_f32s(self.bias));
        for (x, y) in self.x.chunks_exact(width).zip(self.y.chunks_exact_mut(width)) {
            let (mean, inverse_std) = moments(simd, x, self.epsilon);
            let (mean, inverse_std) = (simd.splat_f32s(mean), simd.splat_f32s(inverse_std));
            let of =
                |x, weight, bias| simd.mul_add_f32s(simd.mul_f32s(simd.sub_f32s(x, mean), inverse_std), weight, bias);
            let ((x, x_rest), (y, y_rest)) = (S::as_simd_f32s(x), S::as_mut_simd_f32s(y));
            for (((y, x), weight), bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = of(*x, *weight, *bias);
            }
            if !y_rest.is_empty() {
                let [x, weight, bias] = [x_rest, weight_rest, bias_rest].map(|rest| simd.partial_load_f32s(rest));
                simd.partial_store_f32s(y_rest, of(x, weight, bias));
            }
        }
    }
}

/// Returns the mean and 1 / standard deviation. Two passes: the mean of squares minus the square of the mean would lose
/// all digits if the mean is large.
#[inline(always)]
fn moments<S: Simd>(simd: S, x: &[f32], epsilon: f32) -> (f32, f32) {
    let count = x.len().max(1) as f64;
    let mean = sum(simd, x, 0.0, |of| of) / count;
    let variance = sum(simd, x, mean as f32, |of| simd.mul_f32s(of, of)) / count;
    (mean as f32, (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32)
}

/// The sum of `of(x - less)`, in f32 within pieces and in f64 across them.
#[inline(always)]
fn sum<S: Simd>(simd: S, x: &[f32], less: f32, of: impl Fn(S::f32s) -> S::f32s) -> f64 {
    const PIECE: usize = 4096;
    let less_each = simd.splat_f32s(less);
    let mut total = 0.0;
    for piece in x.chunks(PIECE) {
        let (whole, rest) = S::as_simd_f32s(piece);
        let (fours, ones) = whole.as_chunks::<4>();
        let mut sums = [simd.splat_f32s(0.0); 4];
        for four in fours {
            for (sum, x) in sums.iter_mut().zip(four) {
                *sum = simd.add_f32s(*sum, of(simd.sub_f32s(*x, less_each)));
            }
        }
        for x in ones {
            sums[0] = simd.add_f32s(sums[0], of(simd.sub_f32s(*x, less_each)));
        }
        let [a, b, c, d] = sums;
        total += f64::from(simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d))));
        for x in rest {
            let one = of(simd.splat_f32s(x - less));
            total += f64::from(simd.reduce_max_f32s(one));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::tests::{assert_close, numbers};

    fn normalised(x: &[f32], epsilon: f64) -> Vec<f64> {
        let count = x.len() as f64;
        let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
        x.iter().map(|x| (f64::from(*x) - mean) / (variance + epsilon).sqrt()).collect()
    }

    #[test]
    fn each_group_of_each_picture_is_normalised_alone() {
        let (pictures, channels, pixels, groups) = (3, 12, 37, 4);
        // A mean far from 0: rounding it to f32 alone gives an error of 2e-6 of the standard deviation.
        let x: Vec<f32> = numbers(pictures * channels * pixels, 1).iter().map(|x| x + 30.0).collect();
        let (weight, bias) = (numbers(channels, 2), numbers(channels, 3));
        let mut wanted: Vec<f32> = Vec::new();
        for (group, x) in x.chunks_exact(channels / groups * pixels).enumerate() {
            for (at, x) in normalised(x, 1e-5).into_iter().enumerate() {
                let channel = group % groups * (channels / groups) + at / pixels;
                wanted.push((x * f64::from(weight[channel]) + f64::from(bias[channel])) as f32);
            }
        }
        let mut y = x.clone();
        group_norm(&mut y, pixels, groups, &weight, &bias, 1e-5, false);
        assert_close(&y, &wanted, 1e-5);
        let mut y = x;
        group_norm(&mut y, pixels, groups, &weight, &bias, 1e-5, true);
        let wanted: Vec<f32> = wanted.iter().map(|x| x / (1.0 + (-x).exp())).collect();
        assert_close(&y, &wanted, 1e-5);
    }

    #[test]
    fn each_row_is_normalised_alone() {
        for width in [1, 16, 100, 4097] {
            let x: Vec<f32> = numbers(5 * width, 1).iter().map(|x| x + 2.0).collect();
            let (weight, bias) = (numbers(width, 2), numbers(width, 3));
            let wanted = x.chunks_exact(width).flat_map(|x| {
                let scaled = normalised(x, 1e-5).into_iter().zip(&weight).zip(&bias);
                scaled.map(|((x, weight), bias)| (x * f64::from(*weight) + f64::from(*bias)) as f32).collect::<Vec<_>>()
            });
            assert_close(&layer_norm(&x, &weight, &bias, 1e-5), &wanted.collect::<Vec<_>>(), 1e-5);
        }
    }
}
