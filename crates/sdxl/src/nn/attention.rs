//! Scaled dot-product attention over heads.

use super::device;
use burn::tensor::Tensor;

/// `softmax(Q Kᵀ / sqrt(d)) V` for each head.
///
/// # Shapes
/// - `q`: `[b, n, heads * d]`; `k`, `v`: `[b, m, heads * d]`
/// - result: `[b, n, heads * d]`
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    device::attention(q, k, v, heads)
}

/// As [`attention`]; each position attends to itself and earlier positions only.
pub fn causal_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    device::causal_attention(q, k, v, heads)
}

/// As [`attention`], with at most `max_scores` scores in memory at once. Heads as wide as the VAE's (512) have no fused
/// kernel, and 16384 by 16384 scores take 1 GiB.
pub fn attention_in_slices(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, max_scores: usize) -> Tensor<3> {
    device::attention_in_slices(q, k, v, heads, max_scores)
}
