#![doc = include_str!("../README.md")]

mod checkpoint;
mod config;
mod dtype;
mod error;
mod ignored;
mod inspect;
mod names;
mod naming;
mod options;
mod part;
mod place;
mod plan;
mod plan_error;
mod read;
mod recommend;
mod report_text;
mod safetensors;
mod shape;
mod source;
mod tensor_ref;

pub use checkpoint::{Checkpoint, TokenizerFiles};
pub use config::{
    BetaSchedule, Latent2Rgb, PredictionSource, PredictionType, SchedulerConfig, TaesdConfig, TextActivation,
    TextEncoderConfig, TimestepSpacing, UnetBlock, UnetConfig, UnetMid, VaeConfig,
};
pub use dtype::Dtype;
pub use error::{Error, FolderError, HeaderError, TensorError};
pub use ignored::{IGNORED, Ignored, ignored};
pub use inspect::{FileReport, PartReport, Report, inspect, inspect_memory};
pub use options::OpenOptions;
pub use part::{Family, Layout, Part};
pub use place::MemoryFolder;
pub use plan::{Entry, Plan};
pub use plan_error::{Misshapen, PlanError};
pub use read::Element;
pub use recommend::{Note, Recommendation, Said};
pub use safetensors::{Header, MAX_HEADER_BYTES, MAX_TENSORS, Tensor};
pub use shape::Shape;
pub use tensor_ref::{TensorRef, Transform};
