//! A single safetensors or GGUF file: a whole checkpoint in LDM's naming, or one part.

use super::{PartSource, Sources, detect::family_of_names, part_of_file};
use crate::naming::Naming;
use crate::{
    Family, Layout, Part,
    error::Error,
    ignored::ignored,
    safetensors::{Tensor, WeightFile},
};
use std::{collections::BTreeMap, path::Path};

/// The prefix of each part in a single file, and the naming that usually follows it.
const PREFIXES: [(Part, &str, Naming); 6] = [
    (Part::Unet, "model.diffusion_model.", Naming::Ldm),
    (Part::TextEncoder, "conditioner.embedders.0.transformer.", Naming::Diffusers),
    (Part::TextEncoder2, "conditioner.embedders.1.model.", Naming::Ldm),
    (Part::TextEncoder2, "conditioner.embedders.1.transformer.", Naming::Diffusers),
    (Part::Vae, "first_stage_model.", Naming::Ldm),
    (Part::Vae, "vae.", Naming::Ldm),
];

/// Names after a prefix that occur only in diffusers' and transformers' naming. Converters put such parts into single
/// files under the single file's prefixes, and ComfyUI and diffusers read them.
const DIFFUSERS_MARKS: [(Part, &str); 4] = [
    (Part::Vae, "decoder.up_blocks."),
    (Part::TextEncoder2, "text_model.encoder.layers."),
    (Part::TextEncoder2, "encoder.layers."),
    (Part::TextEncoder2, "embeddings.token_embedding."),
];

/// The naming that follows a prefix in this file.
fn naming_of(part: Part, prefix: &str, usual: Naming, tensors: &[Tensor]) -> Naming {
    let marks = DIFFUSERS_MARKS.iter().filter(|(of, _)| *of == part);
    let has =
        |mark: &str| tensors.iter().any(|t| t.name.strip_prefix(prefix).is_some_and(|local| local.starts_with(mark)));
    if marks.map(|(_, mark)| *mark).any(has) { Naming::Diffusers } else { usual }
}

/// Prefixes of a TAESD decoder's names: in stable-diffusion-webui and ComfyUI, in the original's class, and in the
/// original's decoder file.
const TAESD_PREFIXES: [&str; 3] = ["taesd_decoder.", "decoder.", ""];

/// Opens a whole checkpoint, or whatever else the file holds.
pub(super) fn open(path: &Path) -> Result<Sources, Error> {
    let files = vec![WeightFile::open(path)?];
    let tensors = &files[0].header.tensors;
    let family = family_of_names(tensors);
    let mut parts = BTreeMap::new();
    for (part, prefix, usual) in PREFIXES {
        let naming = naming_of(part, prefix, usual, tensors);
        let found = part_of_file(part, &files, 0, prefix, naming);
        if !found.is_empty() && !parts.contains_key(&part) {
            parts.insert(part, PartSource { prefix: prefix.into(), naming, tensors: found, config: None });
        }
    }
    let taken = |name: &str| parts.values().any(|part| name.starts_with(part.prefix.as_str()));
    let strays = tensors
        .iter()
        .filter(|tensor| !taken(&tensor.name) && ignored(None, &tensor.name).is_none())
        .map(|tensor| &tensor.name);
    let strays = strays.cloned().collect();
    let layout = if parts.is_empty() { Layout::Part } else { Layout::SingleFile };
    Ok(Sources { place: path.into(), layout, family, files, parts, strays, broken: Vec::new(), index: None })
}

/// Opens one part: from a whole checkpoint, or from a file that contains only this part.
pub(super) fn open_part(part: Part, path: &Path) -> Result<Sources, Error> {
    let files = vec![WeightFile::open(path)?];
    let tensors = &files[0].header.tensors;
    let family = family_of_names(tensors);
    let starts = |prefix: &str| tensors.iter().any(|tensor| tensor.name.starts_with(prefix));
    let has = |name: &str| tensors.iter().any(|tensor| tensor.name == name);
    let inside = PREFIXES.into_iter().find(|(of, prefix, _)| *of == part && starts(prefix));
    let (prefix, naming) = match (inside, part) {
        (Some((_, prefix, usual)), _) => (prefix, naming_of(part, prefix, usual, tensors)),
        (None, Part::Unet) if has("conv_in.weight") => ("", Naming::Diffusers),
        (None, Part::Unet) if has("input_blocks.0.0.weight") => ("", Naming::Ldm),
        (None, Part::Vae) if starts("decoder.up_blocks.") => ("", Naming::Diffusers),
        (None, Part::Vae) if starts("decoder.up.") => ("", Naming::Ldm),
        (None, Part::TextEncoder | Part::TextEncoder2) if starts("text_model.") || starts("embeddings.") => {
            ("", Naming::Diffusers)
        }
        (None, Part::TextEncoder2) if has("positional_embedding") => ("", Naming::Ldm),
        (None, Part::Taesd) if has("decoder.layers.0.weight") => ("", Naming::Diffusers),
        // The decoder's layer 0 is a clamp without weights; a file that has weights in layer 0 is the encoder.
        (None, Part::Taesd) => match TAESD_PREFIXES.iter().find(|prefix| {
            has(&format!("{prefix}1.weight"))
                && has(&format!("{prefix}3.conv.0.weight"))
                && !has(&format!("{prefix}0.weight"))
        }) {
            Some(prefix) => (*prefix, Naming::Ldm),
            None => return Err(other(path, part, family)),
        },
        _ => return Err(other(path, part, family)),
    };
    let found = part_of_file(part, &files, 0, prefix, naming);
    let source = PartSource { prefix: prefix.into(), naming, tensors: found, config: None };
    let parts = BTreeMap::from([(part, source)]);
    Ok(Sources {
        place: path.into(),
        layout: Layout::Part,
        family,
        files,
        parts,
        strays: Vec::new(),
        broken: Vec::new(),
        index: None,
    })
}

/// The error for a file that contains something else, named if recognised.
fn other(path: &Path, part: Part, family: Family) -> Error {
    let path = path.to_owned();
    match family {
        Family::Unknown | Family::Sdxl | Family::Component | Family::SdxlUnet => Error::NoPart { path, part },
        family => Error::NotPart { path, part, family },
    }
}
