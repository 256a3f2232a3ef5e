//! What kind of file this is, from its header alone.

use crate::{
    Error, Family,
    safetensors::{Tensor, WeightFile},
    source::family_of_names,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a file in a model library is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileKind {
    /// A checkpoint of any model, its UNet alone, or a diffusers folder. [`crate::Checkpoint::open`] says whether it can be loaded.
    Checkpoint,
    /// A LoRA or a relative of it, for any model.
    Lora,
    /// A textual inversion, for any model.
    Embedding,
    /// A VAE alone.
    Vae,
    /// A preview decoder (TAESD) alone.
    Taesd,
    /// An upscaling network (ESRGAN and the like).
    Upscaler,
    /// A ControlNet or T2I adapter.
    ControlNet,
    /// A safetensors file of another kind: one part of a model, or nothing known.
    Unknown,
    /// Not a readable safetensors file, with the reason.
    Unreadable(String),
}

/// Names that only upscaling networks have: ESRGAN's old and new names, Compact, SPAN, SwinIR and its relatives.
const UPSCALER_MARKS: [&str; 7] = [
    "model.1.sub.0.RDB1.conv1.0.weight",
    "body.0.rdb1.conv1.weight",
    "RRDB_trunk.0.RDB1.conv1.weight",
    "body.0.weight",
    "block_1.c1_r.sk.weight",
    "layers.0.residual_group.blocks.0.norm1.weight",
    "conv_first.weight",
];

impl FileKind {
    /// What kind of file has these tensors.
    pub fn of(tensors: &[Tensor]) -> Self {
        match family_of_names(tensors) {
            Family::Sdxl | Family::SdxlInpaint | Family::SdxlRefiner | Family::Sd1 | Family::Sd2 => Self::Checkpoint,
            Family::Sd3 | Family::Flux | Family::SdxlUnet => Self::Checkpoint,
            Family::Lora => Self::Lora,
            Family::ControlNet => Self::ControlNet,
            Family::TextualInversion => Self::Embedding,
            Family::Vae => Self::Vae,
            Family::Taesd | Family::TaesdEncoder => Self::Taesd,
            Family::Component => Self::Unknown,
            Family::Unknown if tensors.iter().any(|tensor| UPSCALER_MARKS.contains(&tensor.name.as_str())) => {
                Self::Upscaler
            }
            Family::Unknown => Self::Unknown,
        }
    }
}

/// What kind of file this is. Reads the header of a safetensors file (of a folder only whether it has a
/// model_index.json): about a millisecond.
pub fn sniff(path: &Path) -> FileKind {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => match path.join("model_index.json").is_file() {
            true => return FileKind::Checkpoint,
            false => return FileKind::Unreadable("is a folder without model_index.json".to_owned()),
        },
        Ok(_) => {}
        Err(error) => return FileKind::Unreadable(error.to_string()),
    }
    let file = match WeightFile::open(path) {
        Ok(file) => file,
        Err(Error::Header { source, .. }) => return FileKind::Unreadable(source.to_string()),
        Err(Error::Io { source, .. }) => return FileKind::Unreadable(source.to_string()),
        Err(error) => return FileKind::Unreadable(error.to_string()),
    };
    FileKind::of(&file.header.tensors)
}
