#![doc = include_str!("../README.md")]

mod built_in;
mod compact;
mod esrgan;
mod network;
mod shuffle;
mod source;
mod span;
mod tiles;

pub use built_in::{BUILT_IN, built_in};
pub use checkpoint::{UpscalerFile, UpscalerSpec};
pub use network::{Error, Upscaler};
pub use tiles::Tiles;
