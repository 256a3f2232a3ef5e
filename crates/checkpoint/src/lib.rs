#![doc = include_str!("../README.md")]

mod checkpoint;
mod config;
mod error;
mod inspect;
mod names;
mod part;
mod place;
mod plan;
mod read;
mod recommend;
mod report_text;
mod safetensors;
mod shape;
mod source;

pub use checkpoint::{Checkpoint, OpenOptions, TokenizerFiles};
pub use config::{
    BetaSchedule, Latent2Rgb, PredictionSource, PredictionType, SchedulerConfig, TaesdConfig, TextActivation,
    TextEncoderConfig, TimestepSpacing, UnetBlock, UnetConfig, UnetMid, VaeConfig,
};
pub use error::{Error, FolderError, HeaderError, TensorError};
pub use inspect::{FileReport, PartReport, Report, inspect, inspect_memory};
pub use part::{Family, Layout, Part};
pub use place::MemoryFolder;
pub use plan::{Entry, IGNORED, Ignored, Misshapen, Plan, PlanError, TensorRef, Transform, ignored};
pub use read::Element;
pub use recommend::{Note, Recommendation, Said};
pub use safetensors::{Dtype, Header, MAX_HEADER_BYTES, MAX_TENSORS, Tensor};
pub use shape::Shape;
