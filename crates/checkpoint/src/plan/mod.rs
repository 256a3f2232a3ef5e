//! The load plan: which bytes become which parameter. Made from headers only.

mod build;
mod scales;

pub(crate) use build::build;

use crate::{
    Dtype, Part,
    tensor_ref::{TensorRef, Transform},
};
use serde::Serialize;

/// Everything needed to load a part: one entry per parameter, in file order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The part.
    pub part: Part,
    /// One entry per parameter of the module, sorted by file and offset so that files are read forwards.
    pub entries: Vec<Entry>,
    /// Tensors of this part that are ignored intentionally ([`crate::ignored`] gives the reasons).
    pub ignored: Vec<String>,
}

impl Plan {
    /// Bytes to read from disk for all entries, for a progress bar.
    pub fn source_bytes(&self) -> u64 {
        self.entries.iter().map(Entry::source_bytes).sum()
    }

    /// Number of values in all parameters.
    pub fn parameters(&self) -> u64 {
        self.entries.iter().map(Entry::elements).sum()
    }

    /// The number of those values that stay in 16 bits on the CPU.
    pub fn narrow_parameters(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.stays_narrow()).map(Entry::elements).sum()
    }
}

/// Smaller parameters use little memory, and layers with so few values often process few rows per conversion.
const WORTH_KEEPING_NARROW: u64 = 1 << 18;

/// One parameter: its target, its source and the transform between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// diffusers' (or transformers', with `text_model.`) name of the parameter:
    /// `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight`.
    pub target: String,
    /// The parameter's shape in PyTorch's convention (linear weights `[out, in]`), after the transform.
    pub shape: Vec<usize>,
    /// The tensor with its bytes.
    pub source: TensorRef,
    /// The transform, in addition to the change of dtype.
    pub transform: Transform,
    /// The tensor with the factor of a scaled fp8 weight, which is applied when the parameter is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<TensorRef>,
}

impl Entry {
    /// Number of values in the parameter.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// Whether the CPU, which computes in f32, keeps the parameter in 16 bits and converts its values when they are
    /// used. True if the file has it in f16, bf16, fp8 or a block type (which are kept as f16) and it is large enough. All
    /// parameters of that size are weights of layers, or embeddings.
    pub fn stays_narrow(&self) -> bool {
        let dtype = self.source.dtype;
        let narrow = matches!(dtype, Dtype::F16 | Dtype::Bf16) || dtype.is_f8() || dtype.is_quantised();
        narrow && self.elements() >= WORTH_KEEPING_NARROW
    }

    /// Bytes to read from disk.
    pub fn source_bytes(&self) -> u64 {
        self.elements() / self.source.dtype.block_values() * self.source.dtype.bytes()
    }
}
