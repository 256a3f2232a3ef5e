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

/// Like [`attention`], but each position attends only to itself and earlier positions.
pub fn causal_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    heads_attention(q, k, v, heads, true)
}

fn heads_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, is_causal: bool) -> Tensor<3> {
    let [b, n, width] = q.dims();
    // Only the text encoders use causal attention, over 77 tokens; it needs no kernel of its own.
    if !is_causal && processor::holds(&q) {
        let [q, k, v] = [q, k, v].map(|x| processor::read(&x));
        return processor::tensor(kernels::attention(&q, &k, &v, b, heads, width / heads), [b, n, width]);
    }
    // `scale`, `softcap` and a bias stay unset: with any of them the GPU backend stores all scores, 671 MB for ten
    // heads of 4096 by 4096.
    let options = AttentionModuleOptions { is_causal, ..Default::default() };
    let [q, k, v] = [q, k, v].map(|x| split_heads(x, heads));
    module::attention(q, k, v, None, None, options).swap_dims(1, 2).reshape([b, n, width])
}

/// `[b, n, heads * d] -> [b, heads, n, d]`
fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, n, width] = x.dims();
    x.reshape([b, n, heads, width / heads]).swap_dims(1, 2)
}

/// Like [`attention`], but processes the queries in slices so that the scores of a slice have at most `max_scores`
/// numbers. The VAE's heads (width 512) have no fused kernel, and 16384 by 16384 scores take 1 GiB.
pub fn attention_in_slices(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, max_scores: usize) -> Tensor<3> {
    let [b, n, _] = q.dims();
    let [_, m, _] = k.dims();
    // The CPU kernel only stores a tile of scores at a time.
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
