//! The safetensors format: header and positioned reads. Independent of Stable Diffusion.

mod file;
mod header;
mod json;
mod sniff;

pub(crate) use file::WeightFile;
pub use header::{Header, MAX_HEADER_BYTES, Tensor};
pub use json::MAX_TENSORS;
pub(crate) use json::one_line;
