//! The safetensors format: header and positioned reads. Nothing of Stable Diffusion in here.

mod dtype;

pub use dtype::Dtype;
