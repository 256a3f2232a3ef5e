//! diffusers' `Transformer2DModel`: self-attention over the pixels and cross-attention to the text.

use crate::{
    LoadError, Weights,
    nn::{Bias, GroupNorm, LayerNorm, Linear, attention, geglu},
};
use burn::tensor::Tensor;

/// Epsilon of the transformers' group norm. Not the ResNets' 1e-5, and not in any configuration file.
const NORM_EPS: f64 = 1e-6;
/// Epsilon of the layer norms.
const LAYER_NORM_EPS: f64 = 1e-5;

/// `x + proj_out(blocks(proj_in(norm(x))))`, with the pixels as a sequence.
#[derive(Clone, Debug)]
pub(super) struct Transformer {
    norm: GroupNorm,
    proj_in: Linear,
    blocks: Vec<TransformerBlock>,
    proj_out: Linear,
}

/// The configuration of a [`Transformer`].
#[derive(Clone, Copy, Debug)]
pub(super) struct TransformerSpec {
    pub(super) channels: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    pub(super) context_width: usize,
    pub(super) groups: usize,
}

impl Transformer {
    pub(super) fn load(mut w: Weights, spec: TransformerSpec) -> Result<Self, LoadError> {
        let TransformerSpec { channels, depth, heads, groups, .. } = spec;
        if heads == 0 || !channels.is_multiple_of(heads) {
            return Err(w.config_error(format!("{channels} channels do not divide into {heads} heads")));
        }
        let mut blocks = Vec::with_capacity(depth);
        for i in 0..depth {
            blocks.push(TransformerBlock::load(w.sub(format_args!("transformer_blocks.{i}")), spec)?);
        }
        Ok(Self {
            norm: GroupNorm::load(w.sub("norm"), channels, groups, NORM_EPS)?,
            proj_in: Linear::load(w.sub("proj_in"), channels, channels, Bias::Yes)?,
            blocks,
            proj_out: Linear::load(w.sub("proj_out"), channels, channels, Bias::Yes)?,
        })
    }

    /// The prompt's keys and values for each of the blocks, in order.
    ///
    /// # Shapes
    /// `context`: `[b, tokens, context_width]`
    pub(super) fn prompt_keys<'a>(&'a self, context: &'a Tensor<3>) -> impl Iterator<Item = Keys> + 'a {
        self.blocks.iter().map(|block| block.attn2.keys(context.clone()))
    }

    /// # Shapes
    /// `x`: `[b, c, h, w]`; the result has the same shape
    pub(super) fn forward(&self, x: Tensor<4>, prompt: &mut PromptKeys) -> Tensor<4> {
        let [b, c, h, w] = x.dims();
        let y = self.norm.forward(x.clone()).reshape([b, c, h * w]).swap_dims(1, 2);
        let y = self.blocks.iter().fold(self.proj_in.forward(y), |y, block| block.forward(y, prompt));
        x + self.proj_out.forward(y).swap_dims(1, 2).reshape([b, c, h, w])
    }
}

/// Self-attention, cross-attention and a gated feed-forward, each with a residual.
#[derive(Clone, Debug)]
struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl TransformerBlock {
    fn load(mut w: Weights, spec: TransformerSpec) -> Result<Self, LoadError> {
        let TransformerSpec { channels, heads, context_width, .. } = spec;
        let mut norm = |name| LayerNorm::load(w.sub(name), channels, LAYER_NORM_EPS);
        let (norm1, norm2, norm3) = (norm("norm1")?, norm("norm2")?, norm("norm3")?);
        Ok(Self {
            norm1,
            attn1: Attention::load(w.sub("attn1"), channels, channels, heads)?,
            norm2,
            attn2: Attention::load(w.sub("attn2"), channels, context_width, heads)?,
            norm3,
            ff: FeedForward::load(w.sub("ff"), channels)?,
        })
    }

    /// # Shapes
    /// `x`: `[b, n, c]`; the result has the same shape
    fn forward(&self, x: Tensor<3>, prompt: &mut PromptKeys) -> Tensor<3> {
        let y = self.norm1.forward(x.clone());
        let keys = self.attn1.keys(y.clone());
        let x = self.attn1.forward_onto(y, keys, x);
        let y = self.norm2.forward(x.clone());
        let keys = prompt.next().expect("the UNet made one for each of its blocks");
        let x = self.attn2.forward_onto(y, keys.clone(), x);
        let y = self.norm3.forward(x.clone());
        self.ff.forward_onto(y, x)
    }
}

/// Keys and values for attention, both `[b, m, width]`.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    k: Tensor<3>,
    v: Tensor<3>,
}

/// The prompt's keys and values for the remaining blocks. They are the same in all steps and computed once.
pub(super) type PromptKeys<'a> = std::slice::Iter<'a, Keys>;

/// Cross-attention or self-attention.
#[derive(Clone, Debug)]
struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: usize,
}

impl Attention {
    fn load(mut w: Weights, width: usize, context: usize, heads: usize) -> Result<Self, LoadError> {
        Ok(Self {
            to_q: Linear::load(w.sub("to_q"), width, width, Bias::No)?,
            to_k: Linear::load(w.sub("to_k"), context, width, Bias::No)?,
            to_v: Linear::load(w.sub("to_v"), context, width, Bias::No)?,
            to_out: Linear::load(w.sub("to_out.0"), width, width, Bias::Yes)?,
            heads,
        })
    }

    /// # Shapes
    /// `context`: `[b, m, context]`
    fn keys(&self, context: Tensor<3>) -> Keys {
        Keys { k: self.to_k.forward(context.clone()), v: self.to_v.forward(context) }
    }

    /// `onto + attention(x)`
    ///
    /// # Shapes
    /// `x`, `onto`: `[b, n, width]`; the result has the same shape
    fn forward_onto(&self, x: Tensor<3>, Keys { k, v }: Keys, onto: Tensor<3>) -> Tensor<3> {
        self.to_out.forward_onto(attention(self.to_q.forward(x), k, v, self.heads), onto)
    }
}

/// `net.2(geglu(net.0.proj(x)))`; the hidden width is four times the input's.
#[derive(Clone, Debug)]
struct FeedForward {
    proj: Linear,
    out: Linear,
}

impl FeedForward {
    fn load(mut w: Weights, width: usize) -> Result<Self, LoadError> {
        let inner = 4 * width;
        Ok(Self {
            proj: Linear::load(w.sub("net.0.proj"), width, 2 * inner, Bias::Yes)?,
            out: Linear::load(w.sub("net.2"), inner, width, Bias::Yes)?,
        })
    }

    /// `onto + feed_forward(x)`
    ///
    /// # Shapes
    /// `x`, `onto`: `[b, n, width]`; the result has the same shape
    fn forward_onto(&self, x: Tensor<3>, onto: Tensor<3>) -> Tensor<3> {
        self.out.forward_onto(geglu(self.proj.forward(x)), onto)
    }
}
