#![doc = include_str!("../README.md")]

mod checkpoint;
mod config;
mod dtype;
mod embedding;
mod embedding_error;
mod error;
mod gguf;
mod ignored;
mod inspect;
mod limits;
mod lora;
mod lora_error;
mod names;
mod naming;
mod options;
mod part;
mod pickle;
mod place;
mod plan;
mod plan_error;
mod read;
mod recommend;
mod report_text;
mod safetensors;
mod shape;
mod sniff;
mod source;
mod tensor_ref;
mod upscaler;
mod upscaler_error;

pub use checkpoint::{Checkpoint, TokenizerFiles};
pub use config::{
    BetaSchedule, Latent2Rgb, ModelSampling, Prediction, PredictionSource, SchedulerConfig, TaesdConfig,
    TextActivation, TextEncoderConfig, TimestepSpacing, UnetBlock, UnetConfig, UnetMid, VaeConfig,
};
pub use dtype::Dtype;
pub use embedding::{EmbeddingFile, MAX_EMBEDDING_VECTORS};
pub use embedding_error::EmbeddingError;
pub use error::{Error, FolderError, HeaderError, TensorError};
pub use ignored::{IGNORED, Ignored, LORA_IGNORED, ignored, lora_ignored};
pub use inspect::{FileReport, PartReport, Report, inspect, inspect_memory};
pub use limits::{MAX_HEADER_BYTES, MAX_TENSORS};
pub use lora::{
    Dora, DoraAxis, Factor, LayerDelta, LoraBase, LoraFile, LoraKind, LoraPlan, LoraReport, LoraTensor, TriggerWord,
    WeightDelta, trained_tags,
};
pub use lora_error::LoraError;
pub use options::OpenOptions;
pub use part::{Family, Layout, Part};
pub use place::MemoryFolder;
pub use plan::{Entry, Plan};
pub use plan_error::{Misshapen, PlanError};
pub use read::Element;
pub use recommend::{Note, Recommendation, Said};
pub use safetensors::{Header, Tensor};
pub use shape::Shape;
pub use sniff::{FileKind, sniff};
pub use tensor_ref::{TensorRef, Transform};
pub use upscaler::{UpscalerFile, UpscalerSpec, UpscalerTensor};
pub use upscaler_error::{PickleError, UpscalerError};
