//! Why a LoRA file does not fit a checkpoint.

use crate::{Dtype, Family};
use thiserror::Error;

/// How many names a message lists; the data contains all.
const SHOWN: usize = 3;

/// Why a LoRA file cannot be applied to a checkpoint. Tensor names are as in the file.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum LoraError {
    /// Not a LoRA.
    #[error("this is {family}, not a LoRA")]
    NotLora {
        /// What it is.
        family: Family,
    },
    /// A LoRA for another model.
    #[error("this LoRA is for {model}, not for SDXL ({evidence})")]
    Foreign {
        /// The model.
        model: &'static str,
        /// The tensor that shows it.
        evidence: String,
    },
    /// A kind of change that is not supported.
    #[error("holds {kind}, which is not supported ({tensor})")]
    Unsupported {
        /// The kind.
        kind: &'static str,
        /// The first such tensor.
        tensor: String,
    },
    /// Tensors that belong to no layer of the checkpoint.
    #[error("{} tensors match no layer of the model: {}", tensors.len(), first(tensors))]
    Unmatched {
        /// All of them.
        tensors: Vec<String>,
    },
    /// A tensor whose shape does not fit its layer's weight.
    #[error("{layer}: {tensor} is {found:?}, which does not fit the weight {weight:?}")]
    Misshapen {
        /// The layer.
        layer: String,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape of the layer's weight, or of its bias.
        weight: Vec<usize>,
    },
    /// A layer has only some of the tensors that its formula needs.
    #[error("{layer}: has {found} but no {missing}")]
    Incomplete {
        /// The layer.
        layer: String,
        /// A tensor that is there.
        found: String,
        /// The end of the missing tensor's name.
        missing: &'static str,
    },
    /// Two tensors for the same purpose.
    #[error("{layer}: {first} and {second} say the same thing twice")]
    Twice {
        /// The layer.
        layer: String,
        /// One tensor.
        first: String,
        /// The other.
        second: String,
    },
    /// A layer has tensors of two kinds of change.
    #[error("{layer}: {first} and {second} belong to different kinds of LoRA")]
    Mixed {
        /// The layer.
        layer: String,
        /// One tensor.
        first: String,
        /// The other.
        second: String,
    },
    /// An alpha or scale that is not one finite number.
    #[error("{tensor} is not one finite number")]
    Scale {
        /// The tensor.
        tensor: String,
    },
    /// peft's metadata cannot be used.
    #[error("the metadata lora_adapter_metadata {reason}")]
    Metadata {
        /// What is wrong.
        reason: String,
    },
    /// A tensor in a dtype that cannot be read.
    #[error("{tensor} is in {dtype}, which cannot be read")]
    Unreadable {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
    },
    /// The file changes no layer.
    #[error("changes no layer of the model")]
    Empty,
}

fn first(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
