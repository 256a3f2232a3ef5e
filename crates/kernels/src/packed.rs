//! The parameters of a layer, as the layer keeps them.

use crate::weights::{Panels, Weights};

/// A layer's weight, packed for the registers, and its bias.
#[derive(Debug)]
pub struct Packed {
    /// Panels of outputs; each contains the weights for everything that is summed.
    pub(crate) panels: Panels,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Packed {
    /// Packs `weight` `[outputs, depth]` in panels of `width` outputs.
    ///
    /// # Panics
    /// If the lengths differ from these shapes.
    pub(crate) fn new(weight: Weights, bias: Option<&[f32]>, [outputs, depth]: [usize; 2], width: usize) -> Self {
        assert_eq!(weight.len(), outputs * depth, "a weight of {outputs} by {depth}");
        assert!(bias.is_none_or(|bias| bias.len() == outputs), "a bias of {outputs}");
        Self { panels: Panels::new(weight, outputs, depth, width), bias: bias.map(<[f32]>::to_vec) }
    }

    /// The weight, row-major: `[d_out, d_in]`, or `[c_out, c_in, kernel, kernel]`. Exactly the numbers that it was created
    /// from.
    pub fn weight(&self) -> Vec<f32> {
        self.panels.unpack()
    }

    /// The bias, one value for each output, if it has one.
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Whether the weight is stored in 16 bits.
    pub fn is_narrow(&self) -> bool {
        self.panels.is_narrow()
    }

    /// Memory of the weight and the bias in bytes.
    pub fn bytes(&self) -> usize {
        self.panels.bytes() + self.bias.as_ref().map_or(0, |bias| size_of_val(&bias[..]))
    }
}
