//! Why an upscaler's file cannot be used.

use thiserror::Error;

/// Why a file is no upscaling network that can be computed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpscalerError {
    /// None of the known networks has these tensors.
    #[error(
        "is not an upscaler that can be used: its tensors are not those of ESRGAN, Compact or SPAN; it holds {found}"
    )]
    Unknown {
        /// The first tensor.
        found: String,
    },
    /// A network that is recognised and not computed.
    #[error("is {network}, which cannot be used; ESRGAN (Real-ESRGAN), Compact and SPAN can")]
    Network {
        /// Its name.
        network: &'static str,
    },
    /// A tensor is missing.
    #[error("has no tensor {name}")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor has a shape that contradicts the others.
    #[error("its tensor {name} has the shape {found:?}, where {expected} is needed")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What is needed.
        expected: String,
    },
    /// Not three channels in and out.
    #[error("works on pictures of {channels} channels; pictures here have 3")]
    Channels {
        /// The channels of the pictures that it takes.
        channels: usize,
    },
    /// Too many or too large layers.
    #[error("has {what} of {value}; the limit is {limit}")]
    Limit {
        /// What exceeds the limit.
        what: &'static str,
        /// Its value.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// A `.pth` file that cannot be read.
    #[error(transparent)]
    Pickle(#[from] PickleError),
}

/// Why a file of PyTorch's `torch.save` cannot be read. Only what tensors need is interpreted, and nothing is run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PickleError {
    /// Not a zip archive.
    #[error("is not a zip archive as torch.save writes it since PyTorch 1.6{hint}")]
    NotZip {
        /// What to do, for the older format.
        hint: &'static str,
    },
    /// The archive is damaged.
    #[error("is a damaged zip archive: {reason}")]
    Zip {
        /// What is wrong.
        reason: String,
    },
    /// The pickle names a function or a class that is not needed for tensors.
    #[error("its pickle refers to {name}, which is not needed for weights; such a file could run code and is not read")]
    Global {
        /// Module and name.
        name: String,
    },
    /// The pickle has an instruction that tensors do not need.
    #[error("its pickle has the instruction 0x{opcode:02x} at byte {at}, which weights do not need")]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Its position in the pickle.
        at: usize,
    },
    /// The pickle is cut short or contradicts itself.
    #[error("its pickle is broken: {reason}")]
    Broken {
        /// What is wrong.
        reason: &'static str,
    },
    /// A limit on memory or work.
    #[error("its {what} is larger than the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A tensor whose values do not lie in its storage one after the other.
    #[error("its tensor {name} {reason}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
}
