//! The blocks of the UNet: one type for down and up blocks, with or without attention, and one for the middle.

use super::transformer::{Keys, PromptKeys, Transformer, TransformerSpec};
use crate::{
    LoadError, Weights,
    nn::{Bias, Conv2d, ConvShape, ResnetBlock, ResnetSpec, resize_nearest},
};
use burn::tensor::Tensor;
use checkpoint::{UnetBlock, UnetConfig, UnetMid};

/// Whether a block is on the downsampling or the upsampling path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Down,
    Up,
}

/// Widths of a ResNet and the transformer after it. The forward pass and its memory estimate both use it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerSpec {
    pub(super) c_in: usize,
    pub(super) c_out: usize,
    /// Number of transformer blocks; none without a transformer.
    pub(super) depth: Option<usize>,
}

impl LayerSpec {
    /// The layers of a block, in the order in which they run.
    pub(super) fn of(block: &UnetBlock) -> impl Iterator<Item = Self> + '_ {
        let c_out = block.out_channels;
        let spec =
            move |(i, &c_in): (usize, &usize)| Self { c_in, c_out, depth: block.transformer_depths.get(i).copied() };
        block.resnet_in_channels.iter().enumerate().map(spec)
    }
}

/// ResNets, each optionally followed by a transformer, then an optional resampler.
#[derive(Clone, Debug)]
pub(super) struct Block {
    layers: Vec<Layer>,
    /// On the way down a convolution of stride 2, which halves the size; on the way up it follows the upsampling.
    resampler: Option<Conv2d>,
}

#[derive(Clone, Debug)]
struct Layer {
    resnet: ResnetBlock,
    attention: Option<Transformer>,
}

impl Layer {
    fn forward(&self, x: Tensor<4>, time: &Tensor<2>, prompt: &mut PromptKeys) -> Tensor<4> {
        let x = self.resnet.forward(x, Some(time));
        match &self.attention {
            Some(attention) => attention.forward(x, prompt),
            None => x,
        }
    }
}

impl Block {
    pub(super) fn load(
        mut w: Weights,
        block: &UnetBlock,
        config: &UnetConfig,
        direction: Direction,
    ) -> Result<Self, LoadError> {
        let c = block.out_channels;
        let mut layers = Vec::with_capacity(block.resnet_in_channels.len());
        for (i, LayerSpec { c_in, depth, .. }) in LayerSpec::of(block).enumerate() {
            let resnet = ResnetBlock::load(w.sub(format_args!("resnets.{i}")), resnet_spec(config, c_in, c))?;
            let attention = match depth {
                Some(depth) => Some(Transformer::load(
                    w.sub(format_args!("attentions.{i}")),
                    transformer_spec(config, c, depth, block.heads),
                )?),
                None => None,
            };
            layers.push(Layer { resnet, attention });
        }
        let name = match direction {
            Direction::Down => "downsamplers.0.conv",
            Direction::Up => "upsamplers.0.conv",
        };
        let resampler = match (block.resamples, direction) {
            (false, _) => None,
            (true, Direction::Down) => {
                let shape = ConvShape { c_in: c, c_out: c, kernel: 3, stride: 2, padding: (1, 1) };
                Some(Conv2d::load_as(w.sub(name), shape, Bias::Yes)?)
            }
            (true, Direction::Up) => Some(Conv2d::load(w.sub(name), c, c, 3, Bias::Yes)?),
        };
        Ok(Self { layers, resampler })
    }

    /// The prompt's keys and values for all transformer blocks, in the order in which they run.
    pub(super) fn prompt_keys<'a>(&'a self, context: &'a Tensor<3>) -> impl Iterator<Item = Keys> + 'a {
        self.layers.iter().flat_map(|layer| &layer.attention).flat_map(|attention| attention.prompt_keys(context))
    }

    /// Downsampling pass. Every intermediate result is pushed onto `skips` for the upsampling pass.
    ///
    /// # Shapes
    /// `[b, c_in, h, w] -> [b, c, ceil(h/2), ceil(w/2)]`, or `[b, c, h, w]` without a downsampler
    pub(super) fn down(
        &self,
        x: Tensor<4>,
        time: &Tensor<2>,
        prompt: &mut PromptKeys,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        let mut x = x;
        for layer in &self.layers {
            x = layer.forward(x, time, prompt);
            skips.push(x.clone());
        }
        if let Some(conv) = &self.resampler {
            x = conv.forward(x);
            skips.push(x.clone());
        }
        x
    }

    /// Upsampling pass. Uses one skip per ResNet. Upsamples to the size of the next skip, which is not exactly twice
    /// the current size where halving rounded up.
    ///
    /// # Shapes
    /// `[b, c_in, h, w] -> [b, c, h', w']`
    pub(super) fn up(
        &self,
        x: Tensor<4>,
        time: &Tensor<2>,
        prompt: &mut PromptKeys,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        let mut x = x;
        for layer in &self.layers {
            if let Some(skip) = skips.pop() {
                x = Tensor::cat(vec![x, skip], 1);
            }
            x = layer.forward(x, time, prompt);
        }
        if let Some(conv) = &self.resampler {
            let [_, _, h, w] = skips.last().map_or([0, 0, 2 * x.dims()[2], 2 * x.dims()[3]], Tensor::dims);
            x = conv.forward(resize_nearest(x, [h, w]));
        }
        x
    }
}

/// ResNet, transformer, ResNet; or only one ResNet.
#[derive(Clone, Debug)]
pub(super) struct Mid {
    first: ResnetBlock,
    rest: Option<(Transformer, ResnetBlock)>,
}

impl Mid {
    pub(super) fn load(mut w: Weights, mid: &UnetMid, config: &UnetConfig) -> Result<Self, LoadError> {
        let c = mid.channels;
        let spec = resnet_spec(config, c, c);
        let first = ResnetBlock::load(w.sub("resnets.0"), spec)?;
        let rest = match mid.transformer_depth {
            Some(depth) => Some((
                Transformer::load(w.sub("attentions.0"), transformer_spec(config, c, depth, mid.heads))?,
                ResnetBlock::load(w.sub("resnets.1"), spec)?,
            )),
            None => None,
        };
        Ok(Self { first, rest })
    }

    /// Like [`Block::prompt_keys`].
    pub(super) fn prompt_keys<'a>(&'a self, context: &'a Tensor<3>) -> impl Iterator<Item = Keys> + 'a {
        self.rest.iter().flat_map(|(attention, _)| attention.prompt_keys(context))
    }

    /// # Shapes
    /// `[b, c, h, w] -> [b, c, h, w]`
    pub(super) fn forward(&self, x: Tensor<4>, time: &Tensor<2>, prompt: &mut PromptKeys) -> Tensor<4> {
        let x = self.first.forward(x, Some(time));
        match &self.rest {
            Some((attention, second)) => second.forward(attention.forward(x, prompt), Some(time)),
            None => x,
        }
    }
}

fn resnet_spec(config: &UnetConfig, c_in: usize, c_out: usize) -> ResnetSpec {
    ResnetSpec {
        c_in,
        c_out,
        groups: config.norm_num_groups,
        epsilon: config.norm_eps,
        time_width: Some(config.time_embed_dim),
    }
}

fn transformer_spec(config: &UnetConfig, channels: usize, depth: usize, heads: usize) -> TransformerSpec {
    TransformerSpec {
        channels,
        depth,
        heads,
        context_width: config.cross_attention_dim,
        groups: config.norm_num_groups,
    }
}
