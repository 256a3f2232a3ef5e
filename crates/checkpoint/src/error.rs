//! What can be wrong with a checkpoint, as data. Every message is one line.

use crate::{Family, Part, PlanError};
use std::path::PathBuf;
use thiserror::Error;

/// Why a checkpoint cannot be opened, planned or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is no safetensors file, or a broken one.
    #[error("{path}: {source}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with its header.
        source: HeaderError,
    },
    /// A folder that is no diffusers folder.
    #[error("{path}: {reason}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is missing or out of place.
        reason: FolderError,
    },
    /// A config.json (or index, or latent2rgb.json) that does not parse.
    #[error("{path}: {message}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        message: String,
    },
    /// A config value that the SDXL architecture does not have, or that is out of bounds.
    #[error("{path}: {key} is {value}; supported: {supported}")]
    Config {
        /// The config file, or the weights from whose shapes the value comes.
        path: PathBuf,
        /// The key as the file spells it.
        key: String,
        /// The value found, as JSON.
        value: String,
        /// What would be accepted.
        supported: String,
    },
    /// Another model than SDXL, recognised.
    #[error("{path}: this is {family}; only SDXL base checkpoints are supported")]
    Family {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        family: Family,
    },
    /// The checkpoint does not bring this part.
    #[error("{path}: has no {part}")]
    NoPart {
        /// The file or folder.
        path: PathBuf,
        /// What was asked for.
        part: Part,
    },
    /// The file holds something else than the part that was asked for, recognised.
    #[error("{path}: this is {family}, not {part}")]
    NotPart {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        part: Part,
        /// What it is.
        family: Family,
    },
    /// The tensors do not match the model that the config (or their shapes) describe.
    #[error("{path}: {source}")]
    Plan {
        /// The file or folder.
        path: PathBuf,
        /// Which tensors, and how.
        source: PlanError,
    },
    /// The file was shorter when read than when opened.
    #[error("{path}: ends inside tensor {tensor}; did the file change while it was read?")]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// The tensor that could not be read in full.
        tensor: String,
    },
    /// A finite number became infinite on the way to half precision.
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

/// What is wrong with a safetensors header (or why the file is not safetensors at all).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// A pickle: PyTorch's format, which runs code when it is read.
    #[error("is a Python pickle (.ckpt, .pt), which can run any code when read; only safetensors is accepted")]
    Pickle,
    /// Not safetensors; says what it looks like instead.
    #[error("is not a safetensors file ({looks_like})")]
    NotSafetensors {
        /// What the first bytes say.
        looks_like: &'static str,
    },
    /// The header says that it is longer than the rest of the file.
    #[error("says that its header has {header} bytes, but the file has {file}")]
    HeaderBeyondFile {
        /// Length that the first eight bytes give.
        header: u64,
        /// Length of the file.
        file: u64,
    },
    /// A header past the format's own limit.
    #[error("says that its header has {header} bytes; the format's limit is {limit}")]
    HeaderTooLong {
        /// Length that the first eight bytes give.
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
    /// The header is not the JSON that the format asks for.
    #[error("has a broken header: {message}")]
    Json {
        /// What the parser said.
        message: String,
    },
    /// A name that no model has: too long, or with control characters.
    #[error("has a tensor name that is longer than 1024 bytes or has control characters: {name}")]
    Name {
        /// Its beginning, made printable.
        name: String,
    },
    /// The same name twice.
    #[error("has tensor {name} twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// One tensor's entry contradicts itself or the file.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong.
        reason: TensorError,
    },
    /// Bytes that no tensor covers.
    #[error("has {bytes} bytes that belong to no tensor, at {at}")]
    Gap {
        /// Where they start, counted from the end of the header.
        at: u64,
        /// How many.
        bytes: u64,
    },
}

/// What is wrong with one tensor's entry in a header.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorError {
    /// Its offsets run backwards, past the data, or overlap the tensor before it.
    #[error("its bytes {begin}..{end} overlap another tensor or lie outside the data ({data} bytes)")]
    Range {
        /// First byte, counted from the end of the header.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Bytes of data in the file.
        data: u64,
    },
    /// The file ends before the tensor does.
    #[error("its bytes {begin}..{end} lie past the end of the data ({data} bytes): the file is cut short")]
    Truncated {
        /// First byte, counted from the end of the header.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Bytes of data in the file.
        data: u64,
    },
    /// Shape times dtype is not the length of its bytes.
    #[error("its shape {shape:?} in {dtype} does not fill {bytes} bytes")]
    Size {
        /// The shape.
        shape: Vec<u64>,
        /// The dtype as the file spells it.
        dtype: String,
        /// Bytes between its offsets.
        bytes: u64,
    },
    /// A dtype that the format does not know.
    #[error("dtype {dtype} is unknown")]
    Dtype {
        /// As the file spells it.
        dtype: String,
    },
    /// More dimensions than any weight has.
    #[error("has {rank} dimensions; at most {limit} are accepted")]
    Rank {
        /// Its dimensions.
        rank: usize,
        /// The limit.
        limit: usize,
    },
}

/// What is wrong with a folder.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderError {
    /// No model_index.json.
    #[error("has no model_index.json: not a diffusers folder")]
    NoIndex,
    /// A part that model_index.json or the SDXL pipeline asks for is not there.
    #[error("has no {file}")]
    NoFile {
        /// Path inside the folder.
        file: String,
    },
    /// Weights only as a pickle.
    #[error(
        "has its weights only as a pickle ({file}), which can run any code when read; only safetensors is accepted"
    )]
    PickleOnly {
        /// Path inside the folder.
        file: String,
    },
    /// An index names a shard outside its folder.
    #[error("{index} names the file {shard:?}, which is not a plain file name")]
    ShardPath {
        /// The index file.
        index: String,
        /// The name as written.
        shard: String,
    },
    /// An index promises a tensor that its shard lacks.
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
        /// How many it names.
        shards: usize,
        /// The limit.
        limit: usize,
    },
    /// A folder in memory brings a tokenizer; tokenizers are read from the disk only.
    #[error("brings {file}, but a folder in memory has to use the tokenizer that is built in")]
    Tokenizer {
        /// Path inside the folder.
        file: String,
    },
    /// Two shards hold the same tensor.
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
