//! What can go wrong, with the data to say it precisely.

use std::path::PathBuf;

/// A parameter that does not fit its bounds, named as the command line and the API name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamError {
    /// The field, e.g. `width`.
    pub field: &'static str,
    /// What is allowed and what was given.
    pub message: String,
}

/// Why weights could not be turned into a model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The source has no tensor of that name.
    #[error("the checkpoint has no tensor `{name}`")]
    Missing {
        /// Target name, as diffusers names it.
        name: String,
    },
    /// The tensor's shape is not the one that the configuration asks for.
    #[error("tensor `{name}` has shape {found:?}, the model needs {expected:?}")]
    Shape {
        /// Target name, as diffusers names it.
        name: String,
        /// What the configuration asks for.
        expected: Vec<usize>,
        /// What the checkpoint holds.
        found: Vec<usize>,
    },
    /// A tensor was asked for twice: two parameters would share it.
    #[error("tensor `{name}` was taken twice")]
    TakenTwice {
        /// Target name, as diffusers names it.
        name: String,
    },
    /// Tensors that no parameter took.
    #[error("{} tensors of the {part} fit no parameter, the first is `{}`", names.len(), names.first().map_or("", String::as_str))]
    Unused {
        /// Which model, e.g. `unet`.
        part: &'static str,
        /// Their names, sorted.
        names: Vec<String>,
    },
    /// The configuration describes a model that cannot be built.
    #[error("the {part}'s configuration: {message}")]
    Config {
        /// Which model, e.g. `unet`.
        part: &'static str,
        /// What does not fit.
        message: String,
    },
    /// Reading or converting a tensor failed.
    #[error("tensor `{name}`: {source}")]
    Read {
        /// Target name, as diffusers names it.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The checkpoint itself: layout, header, missing parts.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
}

/// Why a tokenizer could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A tokenizer's file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder holds no tokenizer.
    #[error("{path} holds neither tokenizer.json nor vocab.json with merges.txt")]
    NoFiles {
        /// Which folder.
        path: PathBuf,
    },
    /// The vocabulary lacks a token that CLIP needs.
    #[error("the vocabulary has no token `{0}`")]
    NoToken(String),
    /// A token's id does not fit the text encoder's embedding table.
    #[error("token id {id} is outside the text encoder's vocabulary of {size}")]
    OutsideVocabulary {
        /// The id.
        id: u32,
        /// Rows of the embedding table.
        size: usize,
    },
    /// Token ids without an end: the pooled embedding has no place to be taken at.
    #[error("token ids without the end-of-text token {end}, at which the pooled embedding is taken")]
    NoEnd {
        /// The end-of-text token.
        end: u32,
    },
    /// The `tokenizers` library refused.
    #[error("tokenizer: {0}")]
    Library(#[from] tokenizers::Error),
}

/// Why a device could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No adapter that wgpu can drive.
    #[error("no graphics adapter: {0}; use --device cpu")]
    NoAdapter(String),
    /// The number type is not one that this device computes in.
    #[error("{device} does not compute in {dtype}; use --dtype f32")]
    Dtype {
        /// The device, as it names itself.
        device: String,
        /// The number type asked for.
        dtype: &'static str,
    },
    /// Work on the device failed: lost, or out of memory.
    #[error("the device failed while {doing}: {message}; lower width and height, or use --dtype f16 or --device cpu")]
    Failed {
        /// What ran.
        doing: &'static str,
        /// The device's own words.
        message: String,
    },
}

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parameters out of bounds; every one of them.
    #[error("{}", params_text(.0))]
    Params(Vec<ParamError>),
    /// Weights.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A noise schedule that cannot be made from these numbers.
    #[error(transparent)]
    Schedule(#[from] diffusion::ScheduleError),
    /// Guidance that is out of range.
    #[error(transparent)]
    Guidance(#[from] diffusion::GuidanceError),
    /// The model made numbers that are not finite.
    #[error("{stage} produced numbers that are not finite; use --dtype f32, or another checkpoint")]
    NotFinite {
        /// Where: `text encoder`, `unet`, `vae`.
        stage: &'static str,
    },
    /// A prompt came, but the pipeline holds no text encoders (any more).
    #[error("the text encoders are not loaded; load the model again to encode another prompt")]
    NoTextEncoders,
    /// A TAESD preview was asked for, but the pipeline holds no TAESD.
    #[error("this model has no taesd; use latent2rgb previews")]
    NoTaesd,
}

fn params_text(errors: &[ParamError]) -> String {
    errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; ")
}
