//! The GGUF format (ggml's `docs/gguf.md`), versions 2 and 3: its header, checked like safetensors', and its block types.
//! ComfyUI-GGUF and stable-diffusion.cpp write such files.

mod blocks;
mod cursor;
mod header;
mod metadata;

pub(crate) use blocks::widen;
pub(crate) use header::{GgufHeader, GgufTensor, is_gguf, read};
