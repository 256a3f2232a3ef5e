//! Tensors in a checkpoint's files, and how they become parameters.

use crate::Dtype;
use serde::Serialize;

/// A tensor in one of a checkpoint's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorRef {
    /// Index into [`crate::Checkpoint::files`].
    pub file: usize,
    /// Its name in that file.
    pub name: String,
    /// Its number type in the file.
    pub dtype: Dtype,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Its first byte, from the start of the file.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The transform from a tensor to a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// No change.
    None,
    /// Transposes a matrix (OpenCLIP's `text_projection`).
    Transpose,
    /// Selects rows `start..start + rows` of the first dimension (OpenCLIP's stacked `in_proj_weight`).
    Rows {
        /// First row.
        start: usize,
        /// Number of rows.
        rows: usize,
    },
    /// Drops trailing dimensions of 1: a 1x1 convolution becomes a linear layer.
    Squeeze,
}
