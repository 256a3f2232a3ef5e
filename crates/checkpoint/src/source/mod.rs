//! A checkpoint's files with their headers, and the assignment of tensors to parts. Only the files themselves are
//! checked here, because `inspect` also describes checkpoints that cannot be loaded.

mod detect;
mod folder;
mod single;

pub(crate) use detect::family_of_names;

use crate::{
    Family, Layout, OpenOptions, Part, TensorRef,
    config::{ConfigFile, Shapes},
    error::Error,
    naming::Naming,
    place::Place,
    safetensors::{Tensor, WeightFile},
};
use std::{collections::BTreeMap, path::Path};

/// All information from the files' headers.
#[derive(Debug)]
pub(crate) struct Sources {
    pub place: Place,
    pub layout: Layout,
    pub family: Family,
    pub files: Vec<WeightFile>,
    pub parts: BTreeMap<Part, PartSource>,
    /// Tensors that belong to no part, without ignored ones.
    pub strays: Vec<String>,
    /// Why parts of a folder could not be opened. `inspect` still describes the others.
    pub broken: Vec<Error>,
    /// model_index.json.
    pub index: Option<ConfigFile>,
}

/// One part's tensors.
#[derive(Debug)]
pub(crate) struct PartSource {
    /// The prefix of all its names in the file.
    pub prefix: String,
    pub naming: Naming,
    pub tensors: Vec<Located>,
    /// Its config.json. `None` if its configuration is derived from the tensors.
    pub config: Option<ConfigFile>,
}

/// A tensor of a part.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// Its name without the prefix, with old spellings replaced.
    pub local: String,
    pub file: usize,
    pub index: usize,
}

impl Sources {
    /// Opens a whole checkpoint.
    pub(crate) fn open(place: &Place, options: &OpenOptions) -> Result<Self, Error> {
        if place.is_folder()? { folder::open(place, options) } else { single::open(place.path()) }
    }

    /// Opens a single part.
    pub(crate) fn open_part(part: Part, place: &Place, options: &OpenOptions) -> Result<Self, Error> {
        match place.is_folder()? {
            true => folder::open_part(part, place, options),
            false => single::open_part(part, place.path()),
        }
    }

    /// The path that was opened, or the name used for it in error messages.
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn tensor(&self, at: &Located) -> &Tensor {
        &self.files[at.file].header.tensors[at.index]
    }

    pub(crate) fn tensor_ref(&self, at: &Located) -> TensorRef {
        let Tensor { name, dtype, shape, offset, bytes } = self.tensor(at).clone();
        TensorRef { file: at.file, name, dtype, shape, offset, bytes }
    }

    /// All tensors of all files.
    pub(crate) fn all_tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.files.iter().flat_map(|file| &file.header.tensors)
    }

    pub(crate) fn shapes<'a>(&'a self, part: &'a PartSource) -> Shapes<'a> {
        let shape = |at: &'a Located| (at.local.as_str(), self.tensor(at).shape.as_slice());
        Shapes { path: self.path(), prefix: &part.prefix, by_name: part.tensors.iter().map(shape).collect() }
    }
}

/// All tensors of a file with this prefix, as tensors of this part.
fn part_of_file(part: Part, files: &[WeightFile], file: usize, prefix: &str, naming: Naming) -> Vec<Located> {
    let tensors = files[file].header.tensors.iter().enumerate();
    tensors
        .filter_map(|(index, tensor)| {
            let local = tensor.name.strip_prefix(prefix)?;
            Some(Located { local: modern(part, naming, local), file, index })
        })
        .collect()
}

/// The current name of a tensor that other versions of diffusers or transformers, or other converters, spell
/// differently.
fn modern(part: Part, naming: Naming, name: &str) -> String {
    let renamed = match (part, naming) {
        (Part::TextEncoder | Part::TextEncoder2, Naming::Diffusers) => modern_text(name),
        // diffusers before 0.17.
        (Part::Vae, Naming::Diffusers) => attention_of(
            name,
            "mid_block.attentions.0.",
            &[("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")],
        ),
        // diffusers' names, old and new, for the layers of LDM's attention.
        (Part::Vae, Naming::Ldm) => attention_of(
            name,
            "mid.attn_1.",
            &[
                ("to_q", "q"),
                ("to_k", "k"),
                ("to_v", "v"),
                ("to_out.0", "proj_out"),
                ("query", "q"),
                ("key", "k"),
                ("value", "v"),
                ("proj_attn", "proj_out"),
                ("group_norm", "norm"),
            ],
        ),
        _ => None,
    };
    renamed.unwrap_or_else(|| name.to_owned())
}

/// transformers 5 saves CLIPTextModel without its wrapper's name. Some converters put the projection inside the
/// wrapper.
fn modern_text(name: &str) -> Option<String> {
    let bare = ["embeddings.", "encoder.", "final_layer_norm."].iter().any(|start| name.starts_with(start));
    if bare {
        return Some(format!("text_model.{name}"));
    }
    name.strip_prefix("text_model.").filter(|name| name.starts_with("text_projection.")).map(str::to_owned)
}

/// Renames a layer directly below the module `at`.
fn attention_of(name: &str, at: &str, layers: &[(&str, &str)]) -> Option<String> {
    let (side, rest) = name.split_once(at)?;
    let (layer, kind) = rest.rsplit_once('.')?;
    let (_, new) = layers.iter().find(|(old, _)| *old == layer)?;
    Some(format!("{side}{at}{new}.{kind}"))
}
