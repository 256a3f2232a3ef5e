//! Compact: SRVGGNetCompact of Real-ESRGAN (`realesrgan/archs/srvgg_arch.py`).

use crate::shuffle::pixel_shuffle;
use burn::tensor::Tensor;
use sdxl::{
    LoadError, Weights,
    nn::{Bias, Conv2d, prelu, resize_nearest},
};

/// Convolutions with PReLU between them, and the enlarged picture added at the end.
#[derive(Clone, Debug)]
pub(crate) struct Compact {
    layers: Vec<(Conv2d, Tensor<1>)>,
    last: Conv2d,
    scale: usize,
}

impl Compact {
    pub(crate) fn load(mut w: Weights, features: usize, convs: usize, scale: usize) -> Result<Self, LoadError> {
        let mut layers = Vec::with_capacity(convs + 1);
        for n in 0..=convs {
            let c_in = if n == 0 { 3 } else { features };
            let conv = Conv2d::load(w.sub(format_args!("body.{}", 2 * n)), c_in, features, 3, Bias::Yes)?;
            layers.push((conv, w.sub(format_args!("body.{}", 2 * n + 1)).tensor("weight", [features])?));
        }
        let last = w.sub(format_args!("body.{}", 2 * convs + 2));
        Ok(Self { layers, last: Conv2d::load(last, features, 3 * scale * scale, 3, Bias::Yes)?, scale })
    }

    /// # Shapes
    /// `[b, 3, h, w] -> [b, 3, s * h, s * w]`
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let enlarged = resize_nearest(x.clone(), [self.scale * h, self.scale * w]);
        let features = self.layers.iter().fold(x, |x, (conv, slopes)| prelu(conv.forward(x), slopes));
        pixel_shuffle(self.last.forward(features), self.scale) + enlarged
    }

    /// Pixels of the input on each side that an output pixel depends on.
    pub(crate) fn reach(&self) -> usize {
        self.layers.len() + 1
    }
}
