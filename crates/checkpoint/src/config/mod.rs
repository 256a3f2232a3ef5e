//! Typed shapes of the parts, from config.json or from the tensors.

mod scheduler;
mod text;
mod unet;
mod vae;

pub use scheduler::{BetaSchedule, Latent2Rgb, PredictionSource, PredictionType, SchedulerConfig, TimestepSpacing};
pub use text::{TextActivation, TextEncoderConfig};
pub use unet::{UnetBlock, UnetConfig, UnetMid};
pub use vae::{TaesdConfig, VaeConfig};
