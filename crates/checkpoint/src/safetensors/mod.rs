//! The safetensors format: header and positioned reads. Independent of Stable Diffusion.

mod dtype;
mod file;
mod header;
mod json;
mod sniff;

pub use dtype::Dtype;
pub(crate) use file::WeightFile;
pub(crate) use header::one_line;
pub use header::{Header, MAX_HEADER_BYTES, MAX_TENSORS, Tensor};
