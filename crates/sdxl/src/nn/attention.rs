//! Scaled dot-product attention over heads.

use super::processor;
use burn::tensor::{Tensor, module, ops::AttentionModuleOptions};

/// `softmax(Q Kᵀ / sqrt(d)) V` for each head.
///
/// # Shapes
/// - `q`: `[b, n, heads * d]`; `k`, `v`: `[b, m, heads * d]`
/// - result: `[b, n, heads * d]`
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    heads_attention(q, k, v, heads, false)
}

/// As [`attention`], each position seeing itself and those before it only.
pub fn causal_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    heads_attention(q, k, v, heads, true)
}

fn heads_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, is_causal: bool) -> Tensor<3> {
    let [b, n, width] = q.dims();
    // Causal attention is the text encoders', over 77 tokens.
    if !is_causal && processor::holds(&q) {
        let [q, k, v] = [q, k, v].map(|x| processor::read(&x));
        return processor::tensor(kernels::attention(&q, &k, &v, b, heads, width / heads), [b, n, width]);
    }
    // `scale`, `softcap` and a bias stay unset: with one of them the GPU back end writes out all scores,
    // 671 MB for ten heads of 4096 by 4096.
    let options = AttentionModuleOptions { is_causal, ..Default::default() };
    let [q, k, v] = [q, k, v].map(|x| split_heads(x, heads));
    module::attention(q, k, v, None, None, options).swap_dims(1, 2).reshape([b, n, width])
}

/// `[b, n, heads * d] -> [b, heads, n, d]`
fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, n, width] = x.dims();
    x.reshape([b, n, heads, width / heads]).swap_dims(1, 2)
}

/// As [`attention`], the queries taken in slices so that the scores of a slice stay within `max_scores`
/// numbers: heads as wide as the VAE's (512) have no fused kernel, and 16384 by 16384 scores are 1 GiB.
pub fn attention_in_slices(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, max_scores: usize) -> Tensor<3> {
    let [b, n, _] = q.dims();
    let [_, m, _] = k.dims();
    // There no more than a tile of scores exists at a time.
    if processor::holds(&q) {
        return attention(q, k, v, heads);
    }
    let slice = (max_scores / (b * heads * m).max(1)).max(1);
    if n <= slice {
        return attention(q, k, v, heads);
    }
    let part = |start: usize| {
        let q = q.clone().narrow(1, start, slice.min(n - start));
        attention(q, k.clone(), v.clone(), heads)
    };
    Tensor::cat((0..n).step_by(slice).map(part).collect(), 1)
}
