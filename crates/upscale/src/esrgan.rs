//! ESRGAN: RRDBNet (Wang et al. 2018; basicsr's `rrdbnet_arch.py`).

use crate::shuffle::pixel_unshuffle;
use burn::tensor::Tensor;
use sdxl::{
    LoadError, Weights,
    nn::{Bias, Conv2d, prelu, resize_nearest},
};

/// Slope of the leaky ReLUs.
const SLOPE: f32 = 0.2;
/// Weight of what a dense block, and of what three of them in a row add.
const RESIDUAL: f32 = 0.2;

/// The trunk of residual-in-residual dense blocks, and doublings at the end.
#[derive(Clone, Debug)]
pub(crate) struct Esrgan {
    first: Conv2d,
    blocks: Vec<[DenseBlock; 3]>,
    body: Conv2d,
    ups: Vec<Conv2d>,
    hr: Conv2d,
    last: Conv2d,
    slopes: [Tensor<1>; 2],
    unshuffle: usize,
}

/// Five convolutions, each over the input and the results of those before.
#[derive(Clone, Debug)]
struct DenseBlock {
    convs: [Conv2d; 5],
    slopes: Tensor<1>,
}

impl Esrgan {
    pub(crate) fn load(
        mut w: Weights,
        [features, growth]: [usize; 2],
        blocks: usize,
        doublings: usize,
        unshuffle: usize,
    ) -> Result<Self, LoadError> {
        let slopes = [features, growth].map(|n| Tensor::full([n], SLOPE, w.device()));
        let mut plain = |name: &str, c_in, c_out| Conv2d::load(w.sub(name), c_in, c_out, 3, Bias::Yes);
        let first = plain("conv_first", 3 * unshuffle * unshuffle, features)?;
        let (body, hr) = (plain("conv_body", features, features)?, plain("conv_hr", features, features)?);
        let last = plain("conv_last", features, 3)?;
        let ups = (1..=doublings).map(|up| plain(&format!("conv_up{up}"), features, features));
        let ups = ups.collect::<Result<_, _>>()?;
        let mut dense = |block: usize, n: usize| {
            let mut conv = |k: usize| {
                let c_out = if k == 5 { features } else { growth };
                let w = w.sub(format_args!("body.{block}.rdb{n}.conv{k}"));
                Conv2d::load(w, features + growth * (k - 1), c_out, 3, Bias::Yes)
            };
            let convs = [conv(1)?, conv(2)?, conv(3)?, conv(4)?, conv(5)?];
            Ok::<_, LoadError>(DenseBlock { convs, slopes: slopes[1].clone() })
        };
        let blocks = (0..blocks).map(|block| Ok([dense(block, 1)?, dense(block, 2)?, dense(block, 3)?]));
        let blocks = blocks.collect::<Result<_, LoadError>>()?;
        Ok(Self { first, blocks, body, ups, hr, last, slopes, unshuffle })
    }

    /// # Shapes
    /// `[b, 3, h, w] -> [b, 3, s * h, s * w]`; sides that are no multiples of the channel shuffle's factor are filled up by
    /// reflection and cut off again
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let x = match self.unshuffle {
            1 => x,
            s => pixel_unshuffle(reflected(reflected(x, 2, s), 3, s), s),
        };
        let first = self.first.forward(x);
        let trunk = self.blocks.iter().fold(first.clone(), |x, block| {
            let inner = block.iter().fold(x.clone(), |x, dense| dense.forward(x));
            inner * RESIDUAL + x
        });
        let mut x = self.body.forward_onto(trunk, first);
        for up in &self.ups {
            let [_, _, h, w] = x.dims();
            x = self.leaky(up.forward(resize_nearest(x, [2 * h, 2 * w])));
        }
        let x = self.last.forward(self.leaky(self.hr.forward(x)));
        let scale = self.scale();
        x.slice([0..1, 0..3, 0..scale * height, 0..scale * width])
    }

    fn leaky(&self, x: Tensor<4>) -> Tensor<4> {
        prelu(x, &self.slopes[0])
    }

    fn scale(&self) -> usize {
        (1 << self.ups.len()) / self.unshuffle
    }
}

impl DenseBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [first, second, third, fourth, last] = &self.convs;
        let mut all = x.clone();
        for conv in [first, second, third, fourth] {
            let more = prelu(conv.forward(all.clone()), &self.slopes);
            all = Tensor::cat(vec![all, more], 1);
        }
        last.forward(all) * RESIDUAL + x
    }
}

/// Fills a side up to a multiple of `multiple` by reflection, without repeating the edge.
fn reflected(x: Tensor<4>, dim: usize, multiple: usize) -> Tensor<4> {
    let side = x.dims()[dim];
    let more = side.next_multiple_of(multiple) - side;
    let mirrored = (1..=more).map(|n| x.clone().narrow(dim, side.saturating_sub(1 + n), 1));
    Tensor::cat(std::iter::once(x.clone()).chain(mirrored).collect(), dim)
}
