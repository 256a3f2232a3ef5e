//! SPAN: the swift parameter-free attention network (Wan et al. 2023; `basicsr/archs/span_arch.py`).

use crate::shuffle::pixel_shuffle;
use burn::tensor::{Tensor, activation};
use sdxl::{
    LoadError, Weights,
    nn::{Bias, Conv2d, silu},
};

/// The training data's mean, by channel.
const MEAN: [f32; 3] = [0.4488, 0.4371, 0.4040];
/// The range of the network's numbers.
const RANGE: f32 = 255.0;

/// Six blocks whose own result weighs what they pass on.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    first: Conv2d,
    blocks: Vec<[Conv2d; 3]>,
    after: Conv2d,
    cat: Conv2d,
    last: Conv2d,
    scale: usize,
    normalized: bool,
}

impl Span {
    pub(crate) fn load(mut w: Weights, features: usize, scale: usize, normalized: bool) -> Result<Self, LoadError> {
        let mut conv = |name: &str, c_in, c_out, kernel| Conv2d::load(w.sub(name), c_in, c_out, kernel, Bias::Yes);
        let first = conv("conv_1", 3, features, 3)?;
        let mut blocks = Vec::with_capacity(6);
        for block in 1..=6 {
            let mut part = |n: usize| conv(&format!("block_{block}.c{n}_r"), features, features, 3);
            blocks.push([part(1)?, part(2)?, part(3)?]);
        }
        let after = conv("conv_2", features, features, 3)?;
        let cat = conv("conv_cat", 4 * features, features, 1)?;
        let last = conv("upsampler.0", features, 3 * scale * scale, 3)?;
        Ok(Self { first, blocks, after, cat, last, scale, normalized })
    }

    /// # Shapes
    /// `[b, 3, h, w] -> [b, 3, s * h, s * w]`
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match self.normalized {
            true => {
                let mean = Tensor::<1>::from_data(MEAN.as_slice(), &x.device()).cast(x.dtype()).reshape([1, 3, 1, 1]);
                (x - mean) * RANGE
            }
            false => x,
        };
        let first = self.first.forward(x);
        let (mut x, mut outer, mut inner) = (first.clone(), Vec::with_capacity(6), first.clone());
        for block in &self.blocks {
            (x, inner) = span_block(block, x);
            outer.push(x.clone());
        }
        let x = Tensor::cat(vec![first, self.after.forward(x), outer.swap_remove(0), inner], 1);
        pixel_shuffle(self.last.forward(self.cat.forward(x)), self.scale)
    }

    /// Pixels of the input on each side that an output pixel depends on.
    pub(crate) fn reach(&self) -> usize {
        3 * self.blocks.len() + 3
    }
}

/// The block's result, and that of its first convolution.
fn span_block([first, second, third]: &[Conv2d; 3], x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let inner = first.forward(x.clone());
    // The reference applies SiLU in place: the result of the first convolution that it returns is after SiLU.
    let inner = silu(inner);
    let y = third.forward(silu(second.forward(inner.clone())));
    let attention = activation::sigmoid(y.clone()) - 0.5;
    ((y + x) * attention, inner)
}
