//! What a LoRA file changes, layer by layer.

use crate::{Dtype, Part};
use std::collections::BTreeMap;

/// A tensor of a LoRA file, in the shape in which its formula uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoraTensor {
    /// Its name in the file.
    pub name: String,
    /// Its shape, row-major. Where files differ in trailing ones, the shape that the field's documentation gives.
    pub shape: Vec<usize>,
    /// Its number type in the file.
    pub dtype: Dtype,
    /// Its first byte, from the start of the file.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

impl LoraTensor {
    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Everything that a LoRA file changes in one checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoraPlan {
    /// The changed layers of each network, by diffusers' (or transformers', with `text_model.`) module path:
    /// [`crate::Entry::target`] without `.weight`.
    pub layers: BTreeMap<Part, BTreeMap<String, LayerDelta>>,
    /// Tensors that are ignored intentionally ([`crate::lora_ignored`] gives the reasons), and LDM-numbered tensors of
    /// layers that the file also has under diffusers' names.
    pub ignored: Vec<String>,
}

/// What is added to one layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerDelta {
    /// What is added to the weight.
    pub weight: Option<WeightDelta>,
    /// What is added to the bias, times the strength: `[out]`.
    pub bias: Option<LoraTensor>,
    /// Present if the sum is normalised (DoRA). Never present without a `LowRank`, `Hadamard` or `Kronecker` weight.
    pub dora: Option<Dora>,
}

/// What is added to a weight, times the strength. `[out, in]` is a linear layer's weight, `[out, in, kh, kw]` a
/// convolution's.
///
/// The formulas are those of kohya's sd-scripts (LoRA), LyCORIS (LoCon, LoHa, LoKr, full differences, norms) and ComfyUI.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightDelta {
    /// LoRA and LoCon: `scale * up * down`; with `mid`, `scale * sum over m, n of up[o,m] mid[m,n,h,w] down[n,i]`.
    LowRank {
        /// Linear: `[r, in]`. Convolution: `[r, in, kh, kw]`, with `mid` `[r, in]`.
        down: LoraTensor,
        /// `[out, r]`.
        up: LoraTensor,
        /// Only for convolutions: `[r, r, kh, kw]`.
        mid: Option<LoraTensor>,
        /// alpha / r, or what replaces it.
        scale: f64,
    },
    /// LoHa: `scale * (w1_a * w1_b) . (w2_a * w2_b)`, the product of the two sides value by value, reshaped to the
    /// weight. Without `t1` and `t2`: `w1_a, w2_a [out, r]`, `w1_b, w2_b [r, in * kh * kw]`. With them, each side is
    /// `sum over j, q of t[j,q,h,w] b[q,i] a[j,o]`: `a [r, out]`, `b [r, in]`, `t [r, r, kh, kw]`.
    Hadamard {
        /// The first side's output factor.
        w1_a: LoraTensor,
        /// The first side's input factor.
        w1_b: LoraTensor,
        /// The second side's output factor.
        w2_a: LoraTensor,
        /// The second side's input factor.
        w2_b: LoraTensor,
        /// The first side's kernel.
        t1: Option<LoraTensor>,
        /// The second side's kernel; present if `t1` is.
        t2: Option<LoraTensor>,
        /// alpha / r with the first side's r, or what replaces it.
        scale: f64,
    },
    /// LoKr: `scale * kron(w1, w2)`, reshaped to the weight.
    Kronecker {
        /// `[o1, i1]`.
        w1: Factor,
        /// `[o2, i2 * kh * kw]`, with `o1 * o2 = out` and `i1 * i2 = in`.
        w2: Factor,
        /// alpha / r if a factor is a product (r is the last product's), else 1; or what replaces it.
        scale: f64,
    },
    /// A difference with the weight's own shape: `.diff`, `.w_norm`.
    Full(LoraTensor),
}

/// One side of a Kronecker product.
#[derive(Clone, Debug, PartialEq)]
pub enum Factor {
    /// Stored whole.
    Whole(LoraTensor),
    /// `a * b`; with `t`, `sum over j, q of t[j,q,h,w] b[q,i] a[j,o]`.
    Product {
        /// `[o, r]`; with `t` `[r, o]`.
        a: LoraTensor,
        /// `[r, i]`, or `[r, i * kh * kw]` of a convolution without `t`.
        b: LoraTensor,
        /// `[r, r, kh, kw]`.
        t: Option<LoraTensor>,
    },
}

/// DoRA: the new weight is `scale * V / norm(V)` with `V = weight + delta`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dora {
    /// The magnitudes: one value for each output or input channel.
    pub scale: LoraTensor,
    /// Which channel each norm and each magnitude belongs to.
    pub axis: DoraAxis,
}

/// The channel that each of DoRA's norms belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoraAxis {
    /// One norm for each output channel, over everything else: peft, and LyCORIS since `wd_on_out` became its default.
    Output,
    /// One norm for each input channel, over everything else: older LyCORIS, and OneTrainer by default.
    Input,
}
