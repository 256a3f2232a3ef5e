//! PyTorch's `PixelShuffle` and `PixelUnshuffle`.

use burn::tensor::Tensor;

/// Channel `c * s² + y * s + x` becomes pixel `(y, x)` of each `s` x `s` block of channel `c`.
///
/// # Shapes
/// `[b, c * s * s, h, w] -> [b, c, s * h, s * w]`
pub(crate) fn pixel_shuffle(x: Tensor<4>, s: usize) -> Tensor<4> {
    let [b, channels, h, w] = x.dims();
    let c = channels / (s * s);
    x.reshape([b, c, s, s, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape([b, c, s * h, s * w])
}

/// The inverse of [`pixel_shuffle`].
///
/// # Shapes
/// `[b, c, s * h, s * w] -> [b, c * s * s, h, w]`
pub(crate) fn pixel_unshuffle(x: Tensor<4>, s: usize) -> Tensor<4> {
    let [b, c, height, width] = x.dims();
    let (h, w) = (height / s, width / s);
    x.reshape([b, c, h, s, w, s]).permute([0, 1, 3, 5, 2, 4]).reshape([b, c * s * s, h, w])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Torch's own result: `F.pixel_shuffle(torch.arange(8.).view(1, 8, 1, 1), 2)`, and a second column.
    #[test]
    fn the_order_is_that_of_pytorch() {
        let ramp: Vec<f32> = (0..16).map(|n| n as f32).collect();
        let x = Tensor::<1>::from_data(ramp.as_slice(), &Device::flex()).reshape([1, 8, 1, 2]);
        let y = pixel_shuffle(x.clone(), 2);
        let values: Vec<f32> = y.clone().into_data().try_into_vec().expect("f32");
        let first = [0, 2, 1, 3, 4, 6, 5, 7];
        let expected: Vec<f32> = first.iter().chain(&first.map(|n| n + 8)).map(|&n| n as f32).collect();
        assert_eq!((y.dims(), values), ([1, 2, 2, 4], expected));
        assert_eq!(pixel_unshuffle(y, 2).into_data(), x.into_data());
    }
}
