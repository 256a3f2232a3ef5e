//! Files of tensors: the safetensors format's header (GGUF's is converted into it) and positioned reads. Independent of Stable
//! Diffusion.

mod file;
mod header;
mod json;
mod sniff;

pub(crate) use file::WeightFile;
pub use header::{Header, Tensor};
pub(crate) use json::one_line;
