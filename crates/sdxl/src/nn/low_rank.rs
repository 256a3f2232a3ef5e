//! Low-rank additions to a layer, as LoRA files have them: `y += up(scale * down(x))`.

use super::device::{ConvWeights, LinearWeights};
use burn::tensor::Tensor;

/// Both factors of an addition, and a value by which each channel between them is multiplied.
///
/// The scale is not multiplied into `up`: the factors then keep the numbers of the file, in f16 if the file has them in
/// f16. A kohya file with alpha 1 and rank 128 would otherwise have numbers that f16 cannot represent.
#[derive(Clone, Debug)]
pub(crate) struct LowRank<L> {
    pub(super) down: L,
    pub(super) up: L,
    /// `[rank]`; `None` if all are 1.
    pub(super) scale: Option<Tensor<1>>,
}

impl LowRank<LinearWeights> {
    /// # Shapes
    /// `x`: `[.., d_in]`, `y`: `[.., d_out]`; result as `y`
    pub(super) fn apply_onto<const D: usize>(&self, x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
        let inner = self.down.apply(x);
        let Some(scale) = &self.scale else { return self.up.apply_onto(inner, y) };
        let mut shape = [1; D];
        shape[D - 1] = inner.dims()[D - 1];
        self.up.apply_onto(inner * scale.clone().reshape(shape), y)
    }
}

impl LowRank<ConvWeights> {
    /// # Shapes
    /// `x`: `[b, c_in, h, w]`, `y`: `[b, c_out, h', w']`; result as `y`
    pub(super) fn apply_onto(&self, x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
        let inner = self.down.apply(x);
        let Some(scale) = &self.scale else { return self.up.apply_onto(inner, y) };
        let channels = inner.dims()[1];
        self.up.apply_onto(inner * scale.clone().reshape([1, channels, 1, 1]), y)
    }
}
