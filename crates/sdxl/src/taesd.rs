//! A fast, small decoder for previews: diffusers' `AutoencoderTiny` (TAESD by Ollin Boer Bohan).

use crate::{
    LoadError, Weights,
    nn::{Bias, Conv2d, resize_nearest},
};
use burn::tensor::{Tensor, activation};
use checkpoint::TaesdConfig;

/// The decoder. Its input is the sampler's latents; SDXL needs its own weights (taesdxl).
#[derive(Clone, Debug)]
pub struct Taesd {
    conv_in: Conv2d,
    stages: Vec<Stage>,
    config: TaesdConfig,
}

/// Residual blocks, upsampling (except in the last stage), a convolution.
#[derive(Clone, Debug)]
struct Stage {
    blocks: Vec<[Conv2d; 3]>,
    conv: Conv2d,
}

impl Taesd {
    /// Loads `decoder.layers.*`. Layers are numbered as in diffusers' `Sequential`, which also counts activations and
    /// upsampling.
    pub fn load(mut w: Weights, config: &TaesdConfig) -> Result<Self, LoadError> {
        let c = config.channels;
        let mut layers = w.sub("decoder.layers");
        let conv_in = Conv2d::load(layers.sub(0), config.latent_channels, c, 3, Bias::Yes)?;
        let mut next = 2;
        let mut stages = Vec::with_capacity(config.num_blocks.len());
        for (i, &count) in config.num_blocks.iter().enumerate() {
            let mut blocks = Vec::with_capacity(count);
            for block in next..next + count {
                let mut conv =
                    |n: usize| Conv2d::load(layers.sub(format_args!("{block}.conv.{n}")), c, c, 3, Bias::Yes);
                blocks.push([conv(0)?, conv(2)?, conv(4)?]);
            }
            next += count;
            let is_last = i + 1 == config.num_blocks.len();
            let conv = match is_last {
                true => Conv2d::load(layers.sub(next), c, config.out_channels, 3, Bias::Yes)?,
                false => Conv2d::load(layers.sub(next + 1), c, c, 3, Bias::No)?,
            };
            next += 2;
            stages.push(Stage { blocks, conv });
        }
        Ok(Self { conv_in, stages, config: config.clone() })
    }

    /// # Shapes
    /// `[b, latent, h, w] -> [b, 3, 8h, 8w]`, pixels in about -1..1
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        let m = self.config.latent_magnitude;
        let x = (latents * (self.config.scaling_factor / m)).tanh() * m;
        let mut x = activation::relu(self.conv_in.forward(x));
        for (i, stage) in self.stages.iter().enumerate() {
            x = stage.blocks.iter().fold(x, residual);
            if i + 1 < self.stages.len() {
                let [_, _, h, w] = x.dims();
                x = resize_nearest(x, [2 * h, 2 * w]);
            }
            x = stage.conv.forward(x);
        }
        x * 2.0 - 1.0
    }
}

/// `relu(x + conv(relu(conv(relu(conv(x))))))`
fn residual(x: Tensor<4>, [first, second, third]: &[Conv2d; 3]) -> Tensor<4> {
    let y = activation::relu(first.forward(x.clone()));
    let y = activation::relu(second.forward(y));
    activation::relu(third.forward_onto(y, x))
}
