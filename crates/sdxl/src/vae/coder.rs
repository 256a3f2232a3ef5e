//! Encoder and decoder of the VAE.

use super::max_scores;
use crate::{
    LoadError, Weights,
    nn::{
        Bias, Conv2d, ConvShape, GroupNorm, Linear, ResnetBlock, ResnetSpec, Statistics, attention_in_slices,
        resize_nearest,
    },
};
use burn::tensor::Tensor;
use checkpoint::VaeConfig;

/// Epsilon of all group norms here. Not in any configuration file.
const NORM_EPS: f64 = 1e-6;

fn spec(config: &VaeConfig, c_in: usize, c_out: usize) -> ResnetSpec {
    ResnetSpec { c_in, c_out, groups: config.norm_num_groups, epsilon: NORM_EPS, time_width: None }
}

fn load_resnets(
    w: &mut Weights,
    config: &VaeConfig,
    c_in: usize,
    c_out: usize,
    count: usize,
) -> Result<Vec<ResnetBlock>, LoadError> {
    let load = |i| {
        let c_in = if i == 0 { c_in } else { c_out };
        ResnetBlock::load(w.sub(format_args!("resnets.{i}")), spec(config, c_in, c_out))
    };
    (0..count).map(load).collect()
}

/// Encodes pictures to moments (mean and log variance).
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    levels: Vec<Level>,
    mid: Middle,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// ResNets of one size, then optionally a convolution to the next size.
#[derive(Clone, Debug)]
struct Level {
    resnets: Vec<ResnetBlock>,
    resampler: Option<Conv2d>,
}

impl Encoder {
    pub(super) fn load(mut w: Weights, config: &VaeConfig) -> Result<Self, LoadError> {
        let channels = &config.block_out_channels;
        let (first, last) = ends(channels);
        let mut levels = Vec::with_capacity(channels.len());
        let mut c_in = first;
        for (i, &c) in channels.iter().enumerate() {
            let mut level = w.sub(format_args!("down_blocks.{i}"));
            let resnets = load_resnets(&mut level, config, c_in, c, config.layers_per_block)?;
            let resampler = match i + 1 < channels.len() {
                // Padding only at the right and bottom, as in training.
                true => {
                    let shape = ConvShape { c_in: c, c_out: c, kernel: 3, stride: 2, padding: (0, 1) };
                    Some(Conv2d::load_as(level.sub("downsamplers.0.conv"), shape, Bias::Yes)?)
                }
                false => None,
            };
            levels.push(Level { resnets, resampler });
            c_in = c;
        }
        Ok(Self {
            conv_in: Conv2d::load(w.sub("conv_in"), config.in_channels, first, 3, Bias::Yes)?,
            levels,
            mid: Middle::load(w.sub("mid_block"), config, last)?,
            conv_norm_out: GroupNorm::load(w.sub("conv_norm_out"), last, config.norm_num_groups, NORM_EPS)?,
            conv_out: Conv2d::load(w.sub("conv_out"), last, 2 * config.latent_channels, 3, Bias::Yes)?,
        })
    }

    /// # Shapes
    /// `[b, 3, h, w] -> [b, 2 * latent, h/8, w/8]`
    pub(super) fn forward(&self, picture: Tensor<4>, max_activation: u64) -> Tensor<4> {
        let mut x = self.conv_in.forward(picture);
        for level in &self.levels {
            x = level.resnets.iter().fold(x, |x, resnet| resnet.forward(x, None));
            if let Some(conv) = &level.resampler {
                x = conv.forward(x);
            }
        }
        let x = self.mid.forward(x, max_activation);
        self.conv_out.forward(self.conv_norm_out.then_silu(x, &mut Statistics::Own))
    }
}

/// Decodes latents to pictures.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    conv_in: Conv2d,
    mid: Middle,
    levels: Vec<Level>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    pub(super) fn load(mut w: Weights, config: &VaeConfig) -> Result<Self, LoadError> {
        let channels: Vec<usize> = config.block_out_channels.iter().rev().copied().collect();
        let (first, last) = ends(&channels);
        let mut levels = Vec::with_capacity(channels.len());
        let mut c_in = first;
        for (i, &c) in channels.iter().enumerate() {
            let mut level = w.sub(format_args!("up_blocks.{i}"));
            let resnets = load_resnets(&mut level, config, c_in, c, config.layers_per_block + 1)?;
            let resampler = match i + 1 < channels.len() {
                true => Some(Conv2d::load(level.sub("upsamplers.0.conv"), c, c, 3, Bias::Yes)?),
                false => None,
            };
            levels.push(Level { resnets, resampler });
            c_in = c;
        }
        Ok(Self {
            conv_in: Conv2d::load(w.sub("conv_in"), config.latent_channels, first, 3, Bias::Yes)?,
            mid: Middle::load(w.sub("mid_block"), config, first)?,
            levels,
            conv_norm_out: GroupNorm::load(w.sub("conv_norm_out"), last, config.norm_num_groups, NORM_EPS)?,
            conv_out: Conv2d::load(w.sub("conv_out"), last, config.out_channels, 3, Bias::Yes)?,
        })
    }

    /// The part of the decoder that works at the size of the latents.
    ///
    /// # Shapes
    /// `[b, latent, h, w] -> [b, c, h, w]`
    pub(super) fn middle(&self, z: Tensor<4>, max_activation: u64) -> Tensor<4> {
        self.mid.forward(self.conv_in.forward(z), max_activation)
    }

    /// The part of the decoder that upsamples to the picture.
    ///
    /// # Shapes
    /// `[b, c, h, w] -> [b, 3, 8h, 8w]`
    pub(super) fn enlarge(&self, x: Tensor<4>, statistics: &mut Statistics) -> Tensor<4> {
        let mut x = x;
        for level in &self.levels {
            x = level.resnets.iter().fold(x, |x, resnet| resnet.forward_with(x, None, statistics));
            if let Some(conv) = &level.resampler {
                let [_, _, h, w] = x.dims();
                x = conv.forward(resize_nearest(x, [2 * h, 2 * w]));
            }
        }
        self.conv_out.forward(self.conv_norm_out.then_silu(x, statistics))
    }
}

fn ends(channels: &[usize]) -> (usize, usize) {
    (channels.first().copied().unwrap_or(0), channels.last().copied().unwrap_or(0))
}

/// ResNet, optional attention, ResNet.
#[derive(Clone, Debug)]
struct Middle {
    first: ResnetBlock,
    attention: Option<Attention>,
    second: ResnetBlock,
}

impl Middle {
    fn load(mut w: Weights, config: &VaeConfig, c: usize) -> Result<Self, LoadError> {
        Ok(Self {
            first: ResnetBlock::load(w.sub("resnets.0"), spec(config, c, c))?,
            attention: match config.mid_attention {
                true => Some(Attention::load(w.sub("attentions.0"), c, config.norm_num_groups)?),
                false => None,
            },
            second: ResnetBlock::load(w.sub("resnets.1"), spec(config, c, c))?,
        })
    }

    fn forward(&self, x: Tensor<4>, max_activation: u64) -> Tensor<4> {
        let x = self.first.forward(x, None);
        let x = match &self.attention {
            Some(attention) => attention.forward(x, max_activation),
            None => x,
        };
        self.second.forward(x, None)
    }
}

/// Single-head attention over all pixels.
#[derive(Clone, Debug)]
struct Attention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl Attention {
    fn load(mut w: Weights, c: usize, groups: usize) -> Result<Self, LoadError> {
        let group_norm = GroupNorm::load(w.sub("group_norm"), c, groups, NORM_EPS)?;
        let mut linear = |name| Linear::load(w.sub(name), c, c, Bias::Yes);
        Ok(Self {
            group_norm,
            to_q: linear("to_q")?,
            to_k: linear("to_k")?,
            to_v: linear("to_v")?,
            to_out: linear("to_out.0")?,
        })
    }

    /// # Shapes
    /// `[b, c, h, w] -> [b, c, h, w]`
    fn forward(&self, x: Tensor<4>, max_activation: u64) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let y = self.group_norm.forward(x.clone()).reshape([b, c, h * w]).swap_dims(1, 2);
        let (q, k, v) = (self.to_q.forward(y.clone()), self.to_k.forward(y.clone()), self.to_v.forward(y));
        let y = self.to_out.forward(attention_in_slices(q, k, v, 1, max_scores(max_activation)));
        x + y.swap_dims(1, 2).reshape([b, c, h, w])
    }
}
