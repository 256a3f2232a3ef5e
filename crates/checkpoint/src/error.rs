//! Error types with structured data. Every message is one line.

use crate::{EmbeddingError, Family, LoraError, Part, PlanError, UpscalerError};
use std::path::PathBuf;
use thiserror::Error;

/// Why a checkpoint cannot be opened, planned or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the operating system.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file that is not safetensors or is broken.
    #[error("{path}: {source}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with its header.
        source: HeaderError,
    },
    /// A folder that is not a diffusers folder.
    #[error("{path}: {reason}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is missing or wrong.
        reason: FolderError,
    },
    /// A config.json (or index, or latent2rgb.json) that does not parse.
    #[error("{path}: {message}")]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's message, with line and column.
        message: String,
    },
    /// A config value that SDXL does not support or that is out of range.
    #[error("{path}: {key} is {value}; supported: {supported}")]
    Config {
        /// The config file, or the weights from which the value was derived.
        path: PathBuf,
        /// The key, as spelled in the file.
        key: String,
        /// The value found, as JSON.
        value: String,
        /// The accepted values.
        supported: String,
    },
    /// A recognised model that is not SDXL.
    #[error("{path}: this is {family}; only SDXL base checkpoints are supported")]
    Family {
        /// The file or folder.
        path: PathBuf,
        /// The model's family.
        family: Family,
    },
    /// The checkpoint does not contain this part.
    #[error("{path}: has no {part}")]
    NoPart {
        /// The file or folder.
        path: PathBuf,
        /// The requested part.
        part: Part,
    },
    /// The file contains something recognised other than the requested part.
    #[error("{path}: this is {family}, not {part}")]
    NotPart {
        /// The file.
        path: PathBuf,
        /// The requested part.
        part: Part,
        /// What the file contains.
        family: Family,
    },
    /// The tensors do not match the model described by the config or derived from shapes.
    #[error("{path}: {source}")]
    Plan {
        /// The file or folder.
        path: PathBuf,
        /// The tensors that do not match.
        source: Box<PlanError>,
    },
    /// A LoRA file that does not fit the checkpoint, or is no LoRA.
    #[error("{path}: {source}")]
    Lora {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: Box<LoraError>,
    },
    /// A textual inversion that cannot be used, or is none.
    #[error("{path}: {source}")]
    Embedding {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<EmbeddingError>,
    },
    /// An upscaler that cannot be used, or is none.
    #[error("{path}: {source}")]
    Upscaler {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<UpscalerError>,
    },
    /// The file became shorter after it was opened.
    #[error("{path}: ends inside tensor {tensor}; did the file change while it was read?")]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// The tensor that could not be read completely.
        tensor: String,
    },
    /// A finite number became infinite in the conversion to f16.
    #[error("{path}: tensor {tensor} holds {value}, beyond f16's largest number 65504; load it as f32 or bf16")]
    Overflow {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first such number.
        value: f32,
    },
}

/// What is wrong with a safetensors header, or why the file is not safetensors.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file is empty.
    #[error("is empty")]
    Empty,
    /// A pickle: PyTorch's format, which runs code when it is read.
    #[error("is a Python pickle (.ckpt, .pt), which can run any code when read; only safetensors is accepted")]
    Pickle,
    /// Not safetensors.
    #[error("is not a safetensors file ({looks_like})")]
    NotSafetensors {
        /// What the first bytes look like.
        looks_like: &'static str,
    },
    /// The header length is larger than the rest of the file.
    #[error("says that its header has {header} bytes, but the file has {file}")]
    HeaderBeyondFile {
        /// The length given by the first eight bytes.
        header: u64,
        /// Length of the file.
        file: u64,
    },
    /// The header is longer than the format's limit.
    #[error("says that its header has {header} bytes; the format's limit is {limit}")]
    HeaderTooLong {
        /// The length given by the first eight bytes.
        header: u64,
        /// The limit.
        limit: u64,
    },
    /// More tensors than any model has.
    #[error("has more than {limit} tensors")]
    TooManyTensors {
        /// The limit.
        limit: usize,
    },
    /// The header is not valid JSON of the expected form.
    #[error("has a broken header: {message}")]
    Json {
        /// The parser's message.
        message: String,
    },
    /// The header of a GGUF file is broken or not supported.
    #[error("cannot be read as GGUF: {message}")]
    Gguf {
        /// What is wrong.
        message: String,
    },
    /// An invalid name: too long, or with control characters.
    #[error("has a tensor name that is longer than 1024 bytes or has control characters: {name}")]
    Name {
        /// The start of the name, with unprintable characters replaced.
        name: String,
    },
    /// The same name twice.
    #[error("has tensor {name} twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A tensor's entry contradicts itself or the file.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: TensorError,
    },
    /// Bytes that belong to no tensor.
    #[error("has {bytes} bytes that belong to no tensor, at {at}")]
    Gap {
        /// Their position, from the end of the header.
        at: u64,
        /// Their number.
        bytes: u64,
    },
}

/// What is wrong with a tensor's entry in a header.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorError {
    /// The offsets are reversed, lie outside the data, or overlap the previous tensor.
    #[error("its bytes {begin}..{end} overlap another tensor or lie outside the data ({data} bytes)")]
    Range {
        /// First byte, from the end of the header.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Bytes of data in the file.
        data: u64,
    },
    /// The file ends before the tensor does.
    #[error("its bytes {begin}..{end} lie past the end of the data ({data} bytes): the file is cut short")]
    Truncated {
        /// First byte, from the end of the header.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Bytes of data in the file.
        data: u64,
    },
    /// Shape and dtype do not match the number of bytes.
    #[error("its shape {shape:?} in {dtype} does not fill {bytes} bytes")]
    Size {
        /// The shape.
        shape: Vec<u64>,
        /// The dtype as spelled in the file.
        dtype: String,
        /// Bytes between its offsets.
        bytes: u64,
    },
    /// An unknown dtype.
    #[error("dtype {dtype} is unknown")]
    Dtype {
        /// The dtype as spelled in the file.
        dtype: String,
    },
    /// More dimensions than any weight has.
    #[error("has {rank} dimensions; at most {limit} are accepted")]
    Rank {
        /// Number of dimensions.
        rank: usize,
        /// The limit.
        limit: usize,
    },
}

/// What is wrong with a folder.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderError {
    /// There is no model_index.json.
    #[error("has no model_index.json: not a diffusers folder")]
    NoIndex,
    /// A part required by model_index.json or by the SDXL pipeline is missing.
    #[error("has no {file}")]
    NoFile {
        /// Path inside the folder.
        file: String,
    },
    /// The weights exist only as a pickle.
    #[error(
        "has its weights only as a pickle ({file}), which can run any code when read; only safetensors is accepted"
    )]
    PickleOnly {
        /// Path inside the folder.
        file: String,
    },
    /// An index refers to a shard outside its folder.
    #[error("{index} names the file {shard:?}, which is not a plain file name")]
    ShardPath {
        /// The index file.
        index: String,
        /// The name as written in the index.
        shard: String,
    },
    /// An index lists a tensor that its shard does not contain.
    #[error("{index} says that {shard} holds {tensor}, but it does not")]
    ShardTensor {
        /// The index file.
        index: String,
        /// The shard.
        shard: String,
        /// The tensor.
        tensor: String,
    },
    /// More shards than any model has.
    #[error("{index} names {shards} shards; at most {limit} are accepted")]
    TooManyShards {
        /// The index file.
        index: String,
        /// Number of shards in the index.
        shards: usize,
        /// The limit.
        limit: usize,
    },
    /// A folder in memory contains a tokenizer. Tokenizers are read only from disk.
    #[error("brings {file}, but a folder in memory has to use the tokenizer that is built in")]
    Tokenizer {
        /// Path inside the folder.
        file: String,
    },
    /// Two shards contain the same tensor.
    #[error("{first} and {second} both hold {tensor}")]
    ShardDuplicate {
        /// The tensor.
        tensor: String,
        /// One shard.
        first: String,
        /// The other.
        second: String,
    },
}
