#![doc = include_str!("../README.md")]

mod adapters;
mod clip;
mod conditioning;
mod device;
mod error;
mod host;
pub mod latent2rgb;
mod lora;
mod memory;
pub mod nn;
mod picture;
mod pipeline;
mod plan_source;
mod taesd;
mod text;
pub mod tokenizer;
mod turns;
mod unet;
mod vae;
mod weights;

pub use ::prompt;
pub use clip::{TextEncoder, TextEncoding};
pub use conditioning::{Conditioning, Embeddings};
pub use device::{Compute, DeviceChoice, DeviceInfo, DeviceKind, Precision, UnknownDevice, UnknownPrecision};
pub use error::{DeviceError, Error, LoadError, TokenizerError};
pub use generation::{FieldError, GenerationParameters, PromptSyntax, limits};
pub use host::HostTensor;
pub use lora::LoraUse;
pub use memory::{MemoryEstimate, MemoryReport, MemorySettings};
pub use nn::ComputesOn;
pub use picture::Picture;
pub use pipeline::{
    Finish, Generated, InitImage, LoadOptions, Networks, Output, Params, Pipeline, PreviewDecoder, Timings,
};
pub use plan_source::load_part;
pub use taesd::Taesd;
pub use text::{Inversion, TextEncoders};
pub use unet::{Unet, UnetCondition};
pub use vae::{FACTOR, LatentStatistics, Posterior, Vae};
pub use weights::{Layers, Loader, Source, Weights};
