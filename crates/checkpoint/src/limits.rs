//! Limits of headers, of every format.

/// The longest header; the limit of safetensors' reference implementation.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The maximum number of tensors. SDXL with a second, averaged copy of its weights has about 5,000.
pub const MAX_TENSORS: usize = 100_000;
/// The maximum length of a name in bytes. SDXL's longest has 102.
pub(crate) const MAX_NAME_BYTES: usize = 1024;
/// The maximum number of dimensions. Weights of convolutions in space and time have five.
pub(crate) const MAX_RANK: usize = 8;
