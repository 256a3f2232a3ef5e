//! diffusers' folder: model_index.json, a subfolder per part, weights in one file or in shards, in one or two variants.

use super::{Located, PartSource, Sources, part_of_file};
use crate::naming::Naming;
use crate::{
    Family, Layout, OpenOptions, Part,
    config::ConfigFile,
    error::{Error, FolderError},
    place::Place,
    safetensors::WeightFile,
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The largest published models have about 60.
const MAX_SHARDS: usize = 256;

/// Opens a whole checkpoint.
pub(super) fn open(place: &Place, options: &OpenOptions) -> Result<Sources, Error> {
    if !place.has("model_index.json") {
        return Err(Error::Folder { path: place.path().to_owned(), reason: FolderError::NoIndex });
    }
    let index = ConfigFile::read(place, "model_index.json")?;
    let family = family(place, &index)?;
    let mut sources = Sources {
        place: place.clone(),
        layout: Layout::Diffusers,
        family,
        files: Vec::new(),
        parts: BTreeMap::new(),
        strays: Vec::new(),
        broken: Vec::new(),
        index: Some(index),
    };
    if !matches!(family, Family::Sdxl | Family::SdxlInpaint | Family::SdxlRefiner) {
        return Ok(sources);
    }
    for part in Part::ALL {
        let listed = sources.index.as_ref().is_some_and(|index| is_listed(index, part));
        // A TAESD is not a component of the pipeline: it is present if its folder is.
        let present = listed || (part == Part::Taesd && has_config(place, part));
        if present && let Err(error) = add_part(&mut sources, part, place, part.folder(), options) {
            sources.broken.push(error);
        }
    }
    Ok(sources)
}

/// Opens one part: from its own folder, or from a checkpoint's folder that contains it.
pub(super) fn open_part(part: Part, place: &Place, options: &OpenOptions) -> Result<Sources, Error> {
    let inside = has_config(place, part);
    let (layout, files, strays, broken) = (Layout::Part, Vec::new(), Vec::new(), Vec::new());
    let family = match part {
        Part::Vae => Family::Vae,
        Part::Taesd => Family::Taesd,
        _ => Family::Component,
    };
    let parts = BTreeMap::new();
    let mut sources = Sources { place: place.clone(), layout, family, files, parts, strays, broken, index: None };
    if !inside && place.has("model_index.json") {
        return Err(Error::NoPart { path: place.path().to_owned(), part });
    }
    add_part(&mut sources, part, place, if inside { part.folder() } else { "" }, options)?;
    Ok(sources)
}

/// Whether the folder has a subfolder with the part's config.json.
fn has_config(place: &Place, part: Part) -> bool {
    place.has(&format!("{}/config.json", part.folder()))
}

/// Whether model_index.json lists the component: `["diffusers", "UNet2DConditionModel"]`, not `[null, null]`.
fn is_listed(index: &ConfigFile, part: Part) -> bool {
    let entry = index.get(part.folder()).and_then(Value::as_array);
    entry.is_some_and(|entry| entry.get(1).is_some_and(Value::is_string))
}

/// The model family, from the pipeline's class and the properties in which SDXL's variants differ.
fn family(place: &Place, index: &ConfigFile) -> Result<Family, Error> {
    let class = index.text("_class_name")?.unwrap_or_default();
    let unet = || place.has("unet/config.json").then(|| ConfigFile::read(place, "unet/config.json"));
    Ok(if class.starts_with("StableDiffusionXL") {
        if !is_listed(index, Part::TextEncoder) && is_listed(index, Part::TextEncoder2) {
            Family::SdxlRefiner
        } else if unet().transpose()?.is_some_and(|unet| unet.get("in_channels") == Some(&Value::from(9))) {
            Family::SdxlInpaint
        } else {
            Family::Sdxl
        }
    } else if class.starts_with("StableDiffusion3") {
        Family::Sd3
    } else if class.starts_with("Flux") {
        Family::Flux
    } else if class.contains("ControlNet") {
        Family::ControlNet
    } else if class.starts_with("StableDiffusion") {
        let context = unet().transpose()?.and_then(|unet| unet.get("cross_attention_dim").and_then(Value::as_u64));
        if context == Some(1024) { Family::Sd2 } else { Family::Sd1 }
    } else {
        Family::Unknown
    })
}

fn add_part(sources: &mut Sources, part: Part, root: &Place, folder: &str, options: &OpenOptions) -> Result<(), Error> {
    let name = |file: &str| if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
    let config = ConfigFile::read(root, &name("config.json"))?;
    let (index, shards) = weights(root, part, options, name)?;
    let first = sources.files.len();
    for shard in &shards {
        sources.files.push(root.weights(&name(shard))?);
    }
    let files = &sources.files;
    let mut tensors = Vec::new();
    let mut holders: HashMap<String, usize> = HashMap::new();
    for (number, shard) in shards.iter().enumerate() {
        let found = part_of_file(part, files, first + number, "", Naming::Diffusers);
        for at in &found {
            if let Some(other) = holders.insert(at.local.clone(), number) {
                let tensor = at.local.clone();
                let reason =
                    FolderError::ShardDuplicate { tensor, first: shards[other].clone(), second: shard.clone() };
                return Err(Error::Folder { path: root.path().to_owned(), reason });
            }
        }
        tensors.extend(found);
    }
    if let Some((index, map)) = index {
        check_index(root, &name(&index), &map, &shards, &tensors, files)?;
    }
    let source = PartSource { prefix: String::new(), naming: Naming::Diffusers, tensors, config: Some(config) };
    sources.parts.insert(part, source);
    Ok(())
}

/// An index file's name and its map from tensors to shards.
type Index = (String, BTreeMap<String, String>);

/// The part's weight files: a single one, or the shards of an index.
fn weights(
    root: &Place,
    part: Part,
    options: &OpenOptions,
    name: impl Fn(&str) -> String,
) -> Result<(Option<Index>, Vec<String>), Error> {
    let stem = match part {
        Part::TextEncoder | Part::TextEncoder2 => "model",
        Part::Unet | Part::Vae | Part::Taesd => "diffusion_pytorch_model",
    };
    let full = [format!("{stem}.safetensors"), format!("{stem}.safetensors.index.json")];
    let half = [
        format!("{stem}.fp16.safetensors"),
        format!("{stem}.safetensors.index.fp16.json"),
        format!("{stem}.fp16.safetensors.index.json"),
    ];
    let (first, second) = if options.prefer_fp16 { (&half[..], &full[..]) } else { (&full[..], &half[..]) };
    let Some(file) = first.iter().chain(second).find(|file| root.has(&name(file))) else {
        let pickles = [format!("{stem}.bin"), "pytorch_model.bin".into(), format!("{stem}.fp16.bin")];
        let reason = match pickles.iter().find(|file| root.has(&name(file))) {
            Some(pickle) => FolderError::PickleOnly { file: name(pickle) },
            None => FolderError::NoFile { file: name(&full[0]) },
        };
        return Err(Error::Folder { path: root.path().to_owned(), reason });
    };
    if file.ends_with(".safetensors") {
        return Ok((None, vec![file.clone()]));
    }
    #[derive(Deserialize)]
    struct IndexFile {
        weight_map: BTreeMap<String, String>,
    }
    let IndexFile { weight_map } = root.json(&name(file))?;
    let shards: BTreeSet<&String> = weight_map.values().collect();
    let fail = |reason| Err(Error::Folder { path: root.path().to_owned(), reason });
    if shards.len() > MAX_SHARDS {
        return fail(FolderError::TooManyShards { index: name(file), shards: shards.len(), limit: MAX_SHARDS });
    }
    if let Some(shard) = shards.iter().find(|shard| !is_plain_name(shard)) {
        let shard = crate::safetensors::one_line(shard);
        return fail(FolderError::ShardPath { index: name(file), shard });
    }
    let shards = shards.into_iter().cloned().collect();
    Ok((Some((file.clone(), weight_map)), shards))
}

/// A file name inside the folder: no separators of any system, no drive, no parent.
fn is_plain_name(shard: &str) -> bool {
    let plain = |c: char| !matches!(c, '/' | '\\' | ':') && !c.is_control();
    shard.ends_with(".safetensors") && shard.chars().all(plain)
}

/// Checks that every tensor is in the shard that the index gives.
fn check_index(
    root: &Place,
    index: &str,
    map: &BTreeMap<String, String>,
    shards: &[String],
    tensors: &[Located],
    files: &[WeightFile],
) -> Result<(), Error> {
    let first = tensors.first().map_or(0, |at| at.file);
    let holds: BTreeSet<(&str, &str)> = tensors
        .iter()
        .map(|at| (files[at.file].header.tensors[at.index].name.as_str(), shards[at.file - first].as_str()))
        .collect();
    match map.iter().find(|(tensor, shard)| !holds.contains(&(tensor.as_str(), shard.as_str()))) {
        None => Ok(()),
        Some((tensor, shard)) => {
            let (tensor, shard) = (crate::safetensors::one_line(tensor), shard.clone());
            let reason = FolderError::ShardTensor { index: index.to_owned(), shard, tensor };
            Err(Error::Folder { path: root.path().to_owned(), reason })
        }
    }
}
