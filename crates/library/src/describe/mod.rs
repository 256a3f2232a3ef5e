//! Describes a file from its header.

mod metadata;
#[cfg(test)]
mod tests;

use crate::{CheckpointFacts, Facts, walk::Found};
use checkpoint::{EmbeddingFile, FileKind, LoraFile, LoraKind, LoraReport, Part, UpscalerFile};
use metadata::{one_line, with_metadata};
use protocol::LibraryKind;
use std::{collections::BTreeMap, path::Path};

/// Reads the headers of a checkpoint.
pub trait ReadCheckpoint: Send + Sync {
    /// What a checkpoint's headers say; the reason if it cannot be loaded, in one line that may begin with the path.
    ///
    /// # Errors
    /// It is no checkpoint that can be loaded.
    fn read(&self, path: &Path) -> Result<CheckpointFacts, String>;
}

/// Describes a file. Reads its header only.
pub(crate) fn describe(found: &Found, read: &dyn ReadCheckpoint) -> Facts {
    let of_folder = found.kind.unwrap_or(LibraryKind::Checkpoint);
    if let Some(problem) = found.problem.clone() {
        return Facts { problem: Some(problem), ..Facts::new(of_folder) };
    }
    let stem = stem(&found.file, found.is_folder);
    if found.is_folder {
        return checkpoint(found, &stem, &BTreeMap::new(), read);
    }
    let file = match LoraFile::open(&found.path) {
        Ok(file) => file,
        // Most are published as .pth, which is read for no other kind.
        Err(_) if of_folder == LibraryKind::Upscaler => return upscaler(&found.path),
        Err(error) => return Facts { problem: Some(reason(&found.path, &error)), ..Facts::new(of_folder) },
    };
    let metadata = file.metadata();
    let facts = match kind_of(&FileKind::of(file.tensors())).unwrap_or(of_folder) {
        LibraryKind::Checkpoint => return checkpoint(found, &stem, metadata, read),
        LibraryKind::Lora => lora(&file),
        LibraryKind::Embedding => embedding(&file),
        LibraryKind::Vae => vae(&found.path),
        LibraryKind::Upscaler => upscaler(&found.path),
    };
    with_metadata(facts, &stem, metadata)
}

/// The file's name without its extension.
pub(crate) fn stem(file: &str, is_folder: bool) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let stem = name.rsplit_once('.').filter(|(stem, _)| !is_folder && !stem.is_empty());
    stem.map_or(name, |(stem, _)| stem).to_owned()
}

/// The kind of the library for a kind of file; none if the contents do not decide it.
fn kind_of(kind: &FileKind) -> Option<LibraryKind> {
    match kind {
        FileKind::Checkpoint => Some(LibraryKind::Checkpoint),
        FileKind::Lora => Some(LibraryKind::Lora),
        FileKind::Embedding => Some(LibraryKind::Embedding),
        FileKind::Vae => Some(LibraryKind::Vae),
        FileKind::Upscaler => Some(LibraryKind::Upscaler),
        _ => None,
    }
}

fn checkpoint(found: &Found, stem: &str, metadata: &BTreeMap<String, String>, read: &dyn ReadCheckpoint) -> Facts {
    let mut facts = Facts::new(LibraryKind::Checkpoint);
    match read.read(&found.path) {
        Ok(checkpoint) => {
            facts.family = Some(checkpoint.family.clone());
            facts.checkpoint = Some(checkpoint);
        }
        Err(why) => facts.problem = Some(one_line(without_path(&found.path, &why))),
    }
    with_metadata(facts, stem, metadata)
}

fn vae(path: &Path) -> Facts {
    let opened = checkpoint::Checkpoint::open_part(Part::Vae, path, &checkpoint::OpenOptions::default());
    let problem = opened.and_then(|vae| vae.plan(Part::Vae)).err().map(|error| reason(path, &error));
    Facts { problem, ..Facts::new(LibraryKind::Vae) }
}

/// An upscaler's network and factor.
fn upscaler(path: &Path) -> Facts {
    let facts = Facts::new(LibraryKind::Upscaler);
    match UpscalerFile::inspect(path) {
        Ok(spec) => Facts { details: Some(format!("{}, {}x", spec.name(), spec.scale())), ..facts },
        Err(error) => Facts { problem: Some(reason(path, &error)), ..facts },
    }
}

/// A LoRA's method, rank and family.
fn lora(file: &LoraFile) -> Facts {
    let LoraReport { kinds, dora, ranks, base, problem, .. } = LoraReport::of(file);
    let method = match kinds.first() {
        _ if dora => Some("DoRA"),
        Some(LoraKind::Lora) => Some("LoRA"),
        Some(LoraKind::Locon) => Some("LoCon"),
        Some(LoraKind::Loha) => Some("LoHa"),
        Some(LoraKind::Lokr) => Some("LoKr"),
        Some(LoraKind::Full) => Some("full differences"),
        Some(LoraKind::Norm) => Some("norms"),
        None => None,
    };
    let details = method.map(|method| match ranks.last() {
        Some(rank) => format!("{method}, rank {rank}"),
        None => method.to_owned(),
    });
    let family = base.map(|base| base.model).map(|model| if model == "SDXL" { "sdxl".to_owned() } else { model });
    let problem = match (problem, &family) {
        (Some(_), Some(family)) if family != "sdxl" => Some(format!("is for {family}, not for SDXL")),
        (None, _) if details.is_none() => Some("has no tensors of a LoRA".to_owned()),
        (problem, _) => problem.map(|why| one_line(&why)),
    };
    Facts { details, family, problem, ..Facts::new(LibraryKind::Lora) }
}

/// An embedding's number of vectors.
fn embedding(file: &LoraFile) -> Facts {
    let facts = Facts::new(LibraryKind::Embedding);
    match EmbeddingFile::vectors_of(file.tensors()) {
        Ok(count) => {
            let details = format!("{count} {}", if count == 1 { "vector" } else { "vectors" });
            Facts { details: Some(details), family: Some("sdxl".to_owned()), ..facts }
        }
        Err(why) => Facts { problem: Some(one_line(&why.to_string())), ..facts },
    }
}

fn reason(path: &Path, error: &checkpoint::Error) -> String {
    one_line(without_path(path, &error.to_string()))
}

/// The reason without the path that errors begin with.
fn without_path<'a>(path: &Path, why: &'a str) -> &'a str {
    let rest = why.strip_prefix(&path.display().to_string()).unwrap_or(why);
    rest.trim_start_matches([':', ' ', '/', std::path::MAIN_SEPARATOR])
}
