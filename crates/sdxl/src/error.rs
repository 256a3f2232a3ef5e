//! Error types, with the data that a precise message needs.

use generation::FieldError;
use std::path::PathBuf;

/// Why a model could not be built from weights.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The source has no tensor with this name.
    #[error("the checkpoint has no tensor `{name}`")]
    Missing {
        /// Target name in diffusers' naming.
        name: String,
    },
    /// The tensor's shape differs from the one that the configuration requires.
    #[error("tensor `{name}` has shape {found:?}, the model needs {expected:?}")]
    Shape {
        /// Target name in diffusers' naming.
        name: String,
        /// The shape that the configuration requires.
        expected: Vec<usize>,
        /// The shape in the checkpoint.
        found: Vec<usize>,
    },
    /// A tensor was requested twice: two parameters would share it.
    #[error("tensor `{name}` was taken twice")]
    TakenTwice {
        /// Target name in diffusers' naming.
        name: String,
    },
    /// Tensors that belong to no parameter.
    #[error("{} tensors of the {part} fit no parameter, the first is `{}`", names.len(), names.first().map_or("", String::as_str))]
    Unused {
        /// The part of the model, for example `unet`.
        part: &'static str,
        /// Their names, sorted.
        names: Vec<String>,
    },
    /// The configuration describes a model that cannot be built.
    #[error("the {part}'s configuration: {message}")]
    Config {
        /// The part of the model, for example `unet`.
        part: &'static str,
        /// What is wrong.
        message: String,
    },
    /// Reading or converting a tensor failed.
    #[error("tensor `{name}`: {source}")]
    Read {
        /// Target name in diffusers' naming.
        name: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Two LoRA files normalise the same layer. Their order would decide the result.
    #[error("both LoRA files {} and {} decompose layer `{layer}` (DoRA); use one of them", files[0], files[1])]
    TwoDora {
        /// The layer, in diffusers' naming.
        layer: String,
        /// The files' names.
        files: [String; 2],
    },
    /// A LoRA file's tensors do not have the shape of the layer that they change.
    #[error("LoRA file {file}: its tensors do not fit layer `{layer}`")]
    LoraShape {
        /// The layer, in diffusers' naming.
        layer: String,
        /// The file's name.
        file: String,
    },
    /// An error of the checkpoint itself: layout, header, missing parts.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
}

/// Why a tokenizer could not be built or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A tokenizer file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder contains no tokenizer.
    #[error("{path} holds neither tokenizer.json nor vocab.json with merges.txt")]
    NoFiles {
        /// The folder.
        path: PathBuf,
    },
    /// The vocabulary lacks a token that CLIP requires.
    #[error("the vocabulary has no token `{0}`")]
    NoToken(String),
    /// A token id is outside the text encoder's embedding table.
    #[error("token id {id} is outside the text encoder's vocabulary of {size}")]
    OutsideVocabulary {
        /// The id.
        id: u32,
        /// Number of rows in the embedding table.
        size: usize,
    },
    /// An embedding (textual inversion) that fits in no chunk.
    #[error("the embedding {name} has {vectors} vectors, but a text encoder takes at most {room} at once")]
    TooManyVectors {
        /// Its name.
        name: String,
        /// The number of its vectors.
        vectors: usize,
        /// The tokens of a chunk.
        room: usize,
    },
    /// Token ids without an end-of-text token, at which the pooled embedding is taken.
    #[error("token ids without the end-of-text token {end}, at which the pooled embedding is taken")]
    NoEnd {
        /// The end-of-text token.
        end: u32,
    },
    /// An error of the `tokenizers` library.
    #[error("tokenizer: {0}")]
    Library(#[from] tokenizers::Error),
}

/// Why a device could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// wgpu found no usable adapter.
    #[error("no graphics adapter: {0}; use --device cpu")]
    NoAdapter(String),
    /// No adapter has the number.
    #[error("there is no graphics adapter {number}: {}; or use --device cpu", if adapters.is_empty() { "this machine has none".to_owned() } else { adapters.join(", ") })]
    NoSuchAdapter {
        /// The number.
        number: u16,
        /// The adapters that there are: `wgpu:0 is NAME (API)`.
        adapters: Vec<String>,
    },
    /// The device does not support the number type.
    #[error("{device} does not compute in {dtype}; use --dtype f32")]
    Dtype {
        /// The name that the device reports.
        device: String,
        /// The requested number type.
        dtype: &'static str,
    },
    /// Work on the device failed, for example because the device was lost or ran out of memory.
    #[error("the device failed while {doing}: {message}; lower width and height, or use --dtype f16 or --device cpu")]
    Failed {
        /// The work that failed.
        doing: &'static str,
        /// The device's error message.
        message: String,
    },
}

/// All errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All parameters that are out of range.
    #[error("{}", params_text(.0))]
    Params(Vec<FieldError>),
    /// Loading weights failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The tokenizer failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The noise schedule cannot be computed from these parameters.
    #[error(transparent)]
    Schedule(#[from] diffusion::ScheduleError),
    /// Guidance that is out of range.
    #[error(transparent)]
    Guidance(#[from] diffusion::GuidanceError),
    /// A state that the generation cannot be continued from.
    #[error("the generation cannot be continued from the state: {0}")]
    State(&'static str),
    /// The model produced numbers that are not finite.
    #[error("{stage} produced numbers that are not finite; use --dtype f32, or another checkpoint")]
    NotFinite {
        /// The stage: `text encoder`, `unet` or `vae`.
        stage: &'static str,
    },
    /// The text encoders are not loaded, or have been dropped.
    #[error("the text encoders are not loaded; load the model again to encode another prompt")]
    NoTextEncoders,
    /// A TAESD preview was requested, but the pipeline has no TAESD.
    #[error("this model has no taesd; use latent2rgb previews")]
    NoTaesd,
}

fn params_text(errors: &[FieldError]) -> String {
    errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect::<Vec<_>>().join("; ")
}
