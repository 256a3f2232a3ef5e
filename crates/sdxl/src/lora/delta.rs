//! What a LoRA file adds to a weight, in host memory and f32: `[out, in, kernel, kernel]`, row-major.

use crate::HostTensor;

/// The product of `a` `[m, k]` and `b` `[k, n]`.
fn product(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    if m * k * n == 0 {
        return vec![0.0; m * n];
    }
    kernels::Linear::new(kernels::Weights::F32(&transposed(b, [k, n])), None, k, n).forward(a)
}

/// `[rows, columns] -> [columns, rows]`
fn transposed(x: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut y = vec![0.0; rows * columns];
    for (row, x) in x.chunks_exact(columns.max(1)).enumerate() {
        x.iter().enumerate().for_each(|(column, x)| y[column * rows + row] = *x);
    }
    y
}

/// A tensor as a matrix: its first axis, and the product of all others.
fn matrix(x: &HostTensor) -> [usize; 2] {
    [x.shape.first().copied().unwrap_or(1), x.shape.iter().skip(1).product()]
}

/// `up down`: `[out, rank]` and `[rank, in * kernel * kernel]`. `None` if the shapes do not match.
pub(super) fn low_rank(up: &HostTensor, down: &HostTensor) -> Option<Vec<f32>> {
    let ([out, rank], [rows, columns]) = (matrix(up), matrix(down));
    (rank == rows).then(|| product(&up.data, &down.data, [out, rank, columns]))
}

/// A Tucker decomposition: `Σ_{i,j} core[i,j,h,w] up[o,i] down[j,n]` as `[out, in, h, w]`. LyCORIS stores `up` as
/// `[rank, out]` for LoHa and LoKr (`up_is_transposed`), and as `[out, rank]` for LoCon.
///
/// `None` if the shapes do not match.
pub(super) fn tucker(
    core: &HostTensor,
    up: &HostTensor,
    down: &HostTensor,
    up_is_transposed: bool,
) -> Option<Vec<f32>> {
    let &[first, second, height, width] = core.shape.as_slice() else { return None };
    let pixels = height * width;
    let up_matrix = match (up_is_transposed, matrix(up)) {
        (true, shape) => transposed(&up.data, shape),
        (false, _) => up.data.clone(),
    };
    let [out, rank] = match (up_is_transposed, matrix(up)) {
        (true, [rank, out]) => [out, rank],
        (false, shape) => shape,
    };
    let [rows, inputs] = matrix(down);
    if rank != first || rows != second {
        return None;
    }
    // [i, j, pixels] -> [i * pixels, j], times [j, n].
    let core = blocks_transposed(&core.data, [second, pixels]);
    let inner = product(&core, &down.data, [first * pixels, second, inputs]);
    // [i, pixels, n] -> [i, n * pixels], times which [o, i].
    let inner = blocks_transposed(&inner, [pixels, inputs]);
    Some(product(&up_matrix, &inner, [out, first, inputs * pixels]))
}

/// Transposes each block `[rows, columns]`.
fn blocks_transposed(x: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    x.chunks_exact((rows * columns).max(1)).flat_map(|block| transposed(block, [rows, columns])).collect()
}

/// The element-wise product of two deltas of the same shape.
pub(super) fn hadamard(mut a: Vec<f32>, b: &[f32]) -> Option<Vec<f32>> {
    (a.len() == b.len()).then(|| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a *= b);
        a
    })
}

/// The Kronecker product of `a` `[rows, columns]` and `b` `[rows, columns, kernel, kernel]`, as
/// `[rows * rows, columns * columns, kernel, kernel]`. `None` if the shapes do not match.
pub(super) fn kronecker(a: &HostTensor, b: &HostTensor) -> Option<Vec<f32>> {
    let (&[a_rows, a_columns, ref ones @ ..], &[b_rows, b_columns, ref kernel @ ..]) =
        (a.shape.as_slice(), b.shape.as_slice())
    else {
        return None;
    };
    if ones.iter().any(|side| *side != 1) {
        return None;
    }
    let pixels: usize = kernel.iter().product();
    let mut result = Vec::with_capacity(a.data.len() * b.data.len());
    for (a_row, b_row) in (0..a_rows).flat_map(|a| (0..b_rows).map(move |b| (a, b))) {
        let b_row = &b.data[b_row * b_columns * pixels..][..b_columns * pixels];
        for factor in &a.data[a_row * a_columns..][..a_columns] {
            result.extend(b_row.iter().map(|b| factor * b));
        }
    }
    Some(result)
}

/// Adds `factor * delta`. The factor is rounded to f32 once.
pub(super) fn add(weight: &mut [f32], factor: f64, delta: &[f32]) {
    let factor = factor as f32;
    weight.iter_mut().zip(delta).for_each(|(weight, delta)| *weight += factor * delta);
}

/// The axis that DoRA's magnitudes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Output,
    Input,
}

/// DoRA (Liu et al., 2024) with a strength: `W + s (W' - W)`, where `W' = m V / |V|`, `V = W + scale * delta`, and the norm
/// of `V` is taken over all axes but the one of the magnitudes `m`. At strength 1 this is peft's; between, ComfyUI's.
///
/// `shape`: outputs, inputs, values for each of both.
pub(super) fn decomposed(
    weight: &mut [f32],
    (delta, scale): (&[f32], f64),
    (magnitudes, axis): (&[f32], Axis),
    strength: f64,
    [outputs, inputs, pixels]: [usize; 3],
) {
    let scale = scale as f32;
    let place = |at: usize| match axis {
        Axis::Output => at / (inputs * pixels),
        Axis::Input => at / pixels % inputs,
    };
    let count = if axis == Axis::Output { outputs } else { inputs };
    let mut squares = vec![0.0_f64; count];
    let changed = |weight: &f32, delta: &f32| weight + scale * delta;
    for (at, (weight, delta)) in weight.iter().zip(delta).enumerate() {
        squares[place(at)] += f64::from(changed(weight, delta)).powi(2);
    }
    let factor = |(square, magnitude): (&f64, &f32)| match square.sqrt() {
        // Nothing to scale.
        0.0 => 0.0,
        norm => (f64::from(*magnitude) / norm) as f32,
    };
    let factors: Vec<f32> = squares.iter().zip(magnitudes).map(factor).collect();
    let strength = strength as f32;
    for (at, (weight, delta)) in weight.iter_mut().zip(delta).enumerate() {
        let target = changed(weight, delta) * factors[place(at)];
        *weight += strength * (target - *weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor<const D: usize>(shape: [usize; D], first: f32) -> HostTensor {
        let data = (0..shape.iter().product()).map(|i: usize| first + ((i * 7) % 11) as f32 - 5.0).collect();
        HostTensor { shape: shape.to_vec(), data }
    }

    #[test]
    fn a_low_rank_delta_is_the_product() {
        let up = HostTensor { shape: vec![2, 2, 1, 1], data: vec![1.0, 2.0, 0.0, -1.0] };
        let down = HostTensor { shape: vec![2, 3], data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] };
        assert_eq!(low_rank(&up, &down), Some(vec![9.0, 12.0, 15.0, -4.0, -5.0, -6.0]));
        assert_eq!(low_rank(&down, &down), None);
    }

    #[test]
    fn a_tucker_delta_is_the_sum_over_both_ranks() {
        let (core, up, down) = (tensor([2, 3, 2, 2], 0.5), tensor([4, 2], 0.25), tensor([3, 5], -0.5));
        let mut wanted = vec![0.0; 4 * 5 * 4];
        for (o, n, p) in (0..4).flat_map(|o| (0..5).flat_map(move |n| (0..4).map(move |p| (o, n, p)))) {
            for (i, j) in (0..2).flat_map(|i| (0..3).map(move |j| (i, j))) {
                wanted[(o * 5 + n) * 4 + p] +=
                    core.data[(i * 3 + j) * 4 + p] * up.data[o * 2 + i] * down.data[j * 5 + n];
            }
        }
        assert_eq!(tucker(&core, &up, &down, false), Some(wanted.clone()));
        let up = HostTensor { shape: vec![2, 4], data: transposed(&up.data, [4, 2]) };
        assert_eq!(tucker(&core, &up, &down, true), Some(wanted));
        assert_eq!(tucker(&core, &up, &down, false), None);
    }

    #[test]
    fn a_kronecker_delta_has_a_block_for_each_value() {
        let a = HostTensor { shape: vec![1, 2, 1, 1], data: vec![2.0, 3.0] };
        let b = HostTensor { shape: vec![2, 1, 1, 2], data: vec![1.0, 2.0, 3.0, 4.0] };
        assert_eq!(kronecker(&a, &b), Some(vec![2.0, 4.0, 3.0, 6.0, 6.0, 8.0, 9.0, 12.0]));
        assert_eq!(kronecker(&b, &b), None);
    }

    #[test]
    fn dora_gives_the_magnitudes_at_strength_1_and_the_weight_at_0() {
        let (weight, delta) = (tensor([2, 3, 2], 0.5).data, tensor([2, 3, 2], -0.25).data);
        for (axis, magnitudes) in [(Axis::Output, vec![2.0, 3.0]), (Axis::Input, vec![1.0, 2.0, 3.0])] {
            let mut changed = weight.clone();
            decomposed(&mut changed, (&delta, 0.5), (&magnitudes, axis), 1.0, [2, 3, 2]);
            for (place, magnitude) in magnitudes.iter().enumerate() {
                let own = changed.iter().enumerate().filter(|(at, _)| match axis {
                    Axis::Output => at / 6 == place,
                    Axis::Input => at / 2 % 3 == place,
                });
                let norm = own.map(|(_, value)| value * value).sum::<f32>().sqrt();
                assert!((norm - magnitude).abs() < 1e-5, "{axis:?} {place}: {norm}");
            }
            let mut same = weight.clone();
            decomposed(&mut same, (&delta, 0.5), (&magnitudes, axis), 0.0, [2, 3, 2]);
            assert_eq!(same, weight);
        }
    }
}
