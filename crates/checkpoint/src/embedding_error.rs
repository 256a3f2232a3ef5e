//! Why a textual inversion cannot be used.

use thiserror::Error;

/// Why a file is no textual inversion for SDXL, or does not fit a checkpoint.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// The file has none of the tensors of an SDXL embedding.
    #[error("is not a textual inversion for SDXL, which has clip_l and clip_g; it holds {found}")]
    NotEmbedding {
        /// The first tensor.
        found: String,
    },
    /// An embedding for a model with one text encoder.
    #[error("is a textual inversion for Stable Diffusion 1 or 2 ({found}); SDXL needs both text encoders' vectors")]
    OtherModel {
        /// The tensor that shows it.
        found: String,
    },
    /// Vectors for one encoder only. The two encoders' texts would no longer be equally long.
    #[error("has {found} but no {missing}; SDXL needs both text encoders' vectors")]
    OneEncoder {
        /// The tensor that is there.
        found: String,
        /// The tensor that is missing.
        missing: &'static str,
    },
    /// Different numbers of vectors.
    #[error("has {first} vectors for the first text encoder and {second} for the second; they must be equally many")]
    Lengths {
        /// Vectors of the first encoder.
        first: usize,
        /// Vectors of the second encoder.
        second: usize,
    },
    /// No vectors, or more than a text can have.
    #[error("has {vectors} vectors; supported: 1 to {limit}")]
    Count {
        /// Their number.
        vectors: usize,
        /// The limit.
        limit: usize,
    },
    /// OneTrainer's vectors for the encoder's output.
    #[error("has {tensor}: vectors that replace the encoder's output are not supported")]
    Output {
        /// The tensor.
        tensor: String,
    },
    /// A tensor that is not a list of vectors.
    #[error("has {tensor} with shape {shape:?}; supported: [vectors, width]")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A tensor that is not part of an embedding.
    #[error("has {tensor}, which is not part of a textual inversion")]
    Unexpected {
        /// The tensor.
        tensor: String,
    },
    /// Two tensors for one encoder.
    #[error("has {first} and {second}, both for one text encoder")]
    Twice {
        /// One tensor.
        first: String,
        /// The other.
        second: String,
    },
    /// A dtype that cannot be read.
    #[error("has {tensor} in {dtype}, which cannot be read")]
    Unreadable {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: crate::Dtype,
    },
    /// A value that is infinite or not a number.
    #[error("has a value in {tensor} that is not a finite number")]
    NotFinite {
        /// The tensor.
        tensor: String,
    },
    /// The vectors' width is not the encoder's.
    #[error("its vectors for {part} have {found} values; the checkpoint's {part} has {needed}")]
    Width {
        /// The encoder.
        part: crate::Part,
        /// Width in the file.
        found: usize,
        /// Width of the encoder.
        needed: usize,
    },
}
