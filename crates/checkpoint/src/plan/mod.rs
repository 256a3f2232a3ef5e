//! The load plan: which bytes become which parameter, made from headers alone.

mod build;
mod error;
mod ignored;

pub(crate) use build::build;
pub use error::{Misshapen, PlanError};
pub use ignored::{IGNORED, Ignored, ignored};

use crate::{Dtype, Part};
use serde::Serialize;

/// Everything that loading one part takes: one entry for each of its parameters, in file order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The part.
    pub part: Part,
    /// One for each parameter of the module, sorted by file and offset so that reading runs forward.
    pub entries: Vec<Entry>,
    /// Tensors of this part that are left out on purpose ([`crate::ignored`] says which and why).
    pub ignored: Vec<String>,
}

impl Plan {
    /// Bytes that the entries read from the disk, for a progress bar.
    pub fn source_bytes(&self) -> u64 {
        self.entries.iter().map(Entry::source_bytes).sum()
    }

    /// Numbers in all parameters together.
    pub fn parameters(&self) -> u64 {
        self.entries.iter().map(Entry::elements).sum()
    }

    /// Those of them that the processor keeps in 16 bits.
    pub fn narrow_parameters(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.stays_narrow()).map(Entry::elements).sum()
    }
}

/// Parameters of fewer numbers take little memory, and a layer of so few often has few rows to widen them for.
const WORTH_KEEPING_NARROW: u64 = 1 << 18;

/// One parameter: where it goes, where it comes from, what happens in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// diffusers' (or transformers', with `text_model.`) name of the parameter:
    /// `down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight`.
    pub target: String,
    /// The parameter's shape as PyTorch has it (linear weights `[out, in]`), after the transform.
    pub shape: Vec<usize>,
    /// Its bytes.
    pub source: TensorRef,
    /// What is done to them besides the change of dtype.
    pub transform: Transform,
}

impl Entry {
    /// Numbers in the parameter.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// Whether the processor, which computes in f32, keeps it in 16 bits and widens its numbers when it uses them: where the
    /// file has them in f16 or bf16, and there are so many that it is worth it. All parameters of that size are weights of
    /// layers, or embeddings.
    pub fn stays_narrow(&self) -> bool {
        matches!(self.source.dtype, Dtype::F16 | Dtype::Bf16) && self.elements() >= WORTH_KEEPING_NARROW
    }

    /// Bytes that reading it takes from the disk.
    pub fn source_bytes(&self) -> u64 {
        self.elements() * self.source.dtype.bytes()
    }
}

/// A tensor in one of a checkpoint's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorRef {
    /// Index into [`crate::Checkpoint::files`].
    pub file: usize,
    /// Its name in that file.
    pub name: String,
    /// Its number format there.
    pub dtype: Dtype,
    /// Its shape there.
    pub shape: Vec<usize>,
    /// Its first byte, counted from the start of the file.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What turns a tensor into a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// Nothing.
    None,
    /// A matrix is transposed (OpenCLIP's `text_projection`).
    Transpose,
    /// Rows `start..start + rows` of the first dimension (OpenCLIP's stacked `in_proj_weight`).
    Rows {
        /// First row.
        start: usize,
        /// How many.
        rows: usize,
    },
    /// Trailing dimensions of 1 are dropped: a 1x1 convolution becomes a linear layer.
    Squeeze,
}
