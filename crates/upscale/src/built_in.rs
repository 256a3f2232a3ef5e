//! The network inside the program.

use checkpoint::{Error, UpscalerFile};
use std::{path::PathBuf, sync::Arc};

/// The name of the network inside the program: Real-ESRGAN's Compact network for drawn pictures, four times.
pub const BUILT_IN: &str = "realesr-animevideov3";

static WEIGHTS: &[u8] = include_bytes!("../weights/realesr-animevideov3.safetensors");

/// The file of the network inside the program.
///
/// # Errors
/// None, unless the program was built with a damaged file.
pub fn built_in() -> Result<UpscalerFile, Error> {
    UpscalerFile::in_memory(PathBuf::from(BUILT_IN), Arc::new(WEIGHTS.to_vec()))
}
