//! Typed configurations of the parts, read from config.json or derived from the tensors.

mod json;
mod scheduler;
mod scheduler_defaults;
mod scheduler_read;
mod taesd_read;
mod tensors;
mod text;
mod text_read;
mod unet;
mod unet_build;
mod unet_json;
mod unet_tensors;
mod vae;
mod vae_read;

pub(crate) use json::ConfigFile;
pub use scheduler::{
    BetaSchedule, Latent2Rgb, ModelSampling, Prediction, PredictionSource, SchedulerConfig, TimestepSpacing,
};
pub(crate) use scheduler_defaults::Defaults;
pub(crate) use scheduler_read::{
    SCHEDULER_CONFIG, latent2rgb, sampling_from_tensors, scheduler_from_json, scheduler_from_tensors,
};
pub(crate) use taesd_read::{taesd_from_json, taesd_from_tensors};
pub(crate) use tensors::Shapes;
pub use text::{TextActivation, TextEncoderConfig};
pub(crate) use text_read::{LINEAR_PROJECTION, text_from_json, text_from_tensors};
pub use unet::{UnetBlock, UnetConfig, UnetMid};
pub(crate) use unet_json::unet_from_json;
pub(crate) use unet_tensors::unet_from_tensors;
pub use vae::{TaesdConfig, VaeConfig};
pub(crate) use vae_read::{vae_from_json, vae_from_tensors};
