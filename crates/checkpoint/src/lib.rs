//! Reads Stable Diffusion XL checkpoints: headers, layouts, names, the load plan.

mod checkpoint;
mod config;
mod error;
mod part;
mod plan;
mod read;
mod safetensors;

pub use checkpoint::{Checkpoint, OpenOptions, TokenizerFiles};
pub use config::{
    BetaSchedule, Latent2Rgb, PredictionSource, PredictionType, SchedulerConfig, TaesdConfig, TextActivation,
    TextEncoderConfig, TimestepSpacing, UnetBlock, UnetConfig, UnetMid, VaeConfig,
};
pub use error::{Error, FolderError, HeaderError, TensorError};
pub use part::{Family, Layout, Part};
pub use plan::{Entry, Misshapen, Plan, PlanError, TensorRef, Transform};
pub use read::Element;
pub use safetensors::Dtype;
