//! LoRA files of a generation: found by name or hash when it is requested, and again when it runs.

use crate::LocalStudio;
use ::library::{Entry, Hashed, Library, Shelf};
use engine::LoraFiles;
use generation::{PromptSyntax, nearest};
use prompt::networks::{all_loras, networks};
use protocol::{FieldError, LibraryItem, LibraryKind, Lora, Loras, Parameters, Problem};
use std::{path::PathBuf, sync::Arc, time::Duration};
use store::{FileKind, NeededFile, OwnFiles};

/// How long a task waits for the first scan after a start.
const SCAN_TIMEOUT: Duration = Duration::from_secs(120);

/// Finds the files of tasks in the library.
#[derive(Debug)]
pub struct LibraryLoras(pub Library);

impl LoraFiles for LibraryLoras {
    fn path(&self, lora: &Lora) -> Result<PathBuf, String> {
        self.0.wait_for_scan(SCAN_TIMEOUT);
        let entry = find(&self.0, lora)?.0;
        Ok(entry.path.clone())
    }

    fn embeddings_in(&self, text: &str) -> Vec<PathBuf> {
        self.0.wait_for_scan(SCAN_TIMEOUT);
        self.0.shelf().embeddings_in(text).map(|entry| entry.path.clone()).collect()
    }

    fn embeddings_named(&self, text: &str) -> Vec<NeededFile> {
        let needed = |entry: &Arc<Entry>| NeededFile {
            kind: FileKind::Embedding,
            name: entry.item.name.clone(),
            hash: entry.item.hashes.auto_v3.clone(),
        };
        self.0.shelf().embeddings_in(text).map(needed).collect()
    }

    fn files(&self) -> OwnFiles {
        let (shelf, mut files) = (self.0.shelf(), OwnFiles::default());
        for kind in [LibraryKind::Lora, LibraryKind::Embedding] {
            for entry in shelf.of_kind(kind).filter(|entry| entry.item.problem.is_none()) {
                match entry.item.hashes.auto_v3.clone() {
                    Some(hash) => files.hashes.push(hash),
                    None => files.unhashed.push(entry.item.name.clone()),
                }
            }
        }
        files
    }
}

impl LocalStudio {
    /// The parameters with all LoRA files of the generation: those of the field, and those that only the prompt names. Also
    /// a warning for each file that the prompt names with another weight: the field counts.
    ///
    /// # Errors
    /// As [`LocalStudio::resolve_loras`], at `loras` or at `prompt`.
    pub(crate) async fn with_loras(&self, parameters: Parameters) -> Result<(Parameters, Vec<FieldError>), Problem> {
        let field = self.resolve_loras("loras", parameters.loras.clone()).await?;
        let tagged = networks(&parameters.prompt, PromptSyntax::A1111).1;
        let tagged = self.resolve_loras("prompt", Loras(tagged)).await?;
        let weights = |lora: &Lora| (lora.unet_weight, lora.text_weight());
        let differs = |tag: &&Lora| field.iter().any(|lora| lora.name == tag.name && weights(lora) != weights(tag));
        let warning = |tag: &Lora| {
            let message = format!("`<lora:{}>` has other weights than in the field loras, which count", tag.name);
            FieldError::new("prompt", message)
        };
        let warnings = tagged.iter().filter(differs).map(warning).collect();
        let loras = all_loras(field, tagged.0);
        match loras.error() {
            Some(why) => Err(Problem::invalid("loras", why)),
            None => Ok((Parameters { loras, ..parameters }, warnings)),
        }
    }

    /// The LoRA files with their names in the library and their hashes. Computes a hash that is not known yet.
    ///
    /// # Errors
    /// Names `field`: a name or a hash that is not in the library, a file that cannot be used, or one that is named twice.
    async fn resolve_loras(&self, field: &'static str, loras: Loras) -> Result<Loras, Problem> {
        if loras.is_empty() {
            return Ok(loras);
        }
        let library = self.library.clone();
        let resolved = tokio::task::spawn_blocking(move || {
            let resolve = |lora: &Lora| {
                let (entry, hash) = find(&library, lora)?;
                Ok(Lora { name: entry.item.name.clone(), hash, ..lora.clone() })
            };
            loras.iter().map(resolve).collect::<Result<Vec<_>, String>>()
        });
        let resolved =
            Loras(resolved.await.map_err(|_| Problem::Internal)?.map_err(|why| Problem::invalid(field, why))?);
        // Two names may be those of one file.
        match resolved.error() {
            Some(why) => Err(Problem::invalid(field, why)),
            None => Ok(resolved),
        }
    }
}

impl LocalStudio {
    /// The LoRA files of a picture's record that are in the library, with their names and hashes there; and the others, each
    /// with the reason why it cannot be used.
    pub async fn known_loras(&self, loras: Loras) -> (Loras, Vec<(Lora, String)>) {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for lora in loras.0 {
            match self.resolve_loras("loras", Loras(vec![self.in_any_folder(lora.clone())])).await {
                Ok(found) => known.extend(found.0),
                Err(Problem::Invalid(errors)) => {
                    let why = errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ");
                    unknown.push((lora, why));
                }
                Err(_) => unknown.push((lora, "it cannot be looked up now".to_owned())),
            }
        }
        (Loras(known), unknown)
    }

    /// The LoRA file by its name alone, if the folder in its name is not here and one file has the name.
    fn in_any_folder(&self, lora: Lora) -> Lora {
        let shelf = self.library.shelf();
        let is_here = |name: &str| shelf.named(LibraryKind::Lora, name).is_some();
        match lora.name.rsplit_once('/') {
            Some((_, name)) if !is_here(&lora.name) && is_here(name) => Lora { name: name.to_owned(), ..lora },
            _ => lora,
        }
    }

    /// The name of the usable checkpoint with this AutoV2 hash, as far as hashes are computed.
    pub fn model_with_hash(&self, auto_v2: &str) -> Option<String> {
        self.library.shelf().hashed(LibraryKind::Checkpoint, auto_v2).map(|entry| entry.item.name.clone())
    }

    /// The file of a kind with this name.
    pub(crate) async fn find_library_item(
        &self,
        kind: LibraryKind,
        name: &str,
    ) -> Result<Option<LibraryItem>, Problem> {
        let id = self.library.shelf().named(kind, name).map(|entry| entry.item.id.clone());
        match id {
            Some(id) => self.get_library_item(&id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The reason for each LoRA file that a prompt names and the library has not, at the prompt. None while files are scanned.
    pub(crate) fn unknown_loras(&self, prompt: &str) -> Vec<FieldError> {
        if self.library.status().scanning {
            return Vec::new();
        }
        let shelf = self.library.shelf();
        let tagged = networks(prompt, PromptSyntax::A1111).1;
        let unknown = tagged.iter().filter(|lora| shelf.named(LibraryKind::Lora, &lora.name).is_none());
        unknown.map(|lora| FieldError::new("prompt", no_lora(&self.library, &shelf, &lora.name))).collect()
    }
}

/// The file of a LoRA, by its name or by its hash, and its AutoV3 hash.
fn find(library: &Library, lora: &Lora) -> Result<(Arc<Entry>, Option<String>), String> {
    let shelf = library.shelf();
    let hashes = |entry: &Entry| {
        library.hashes(entry).map_err(|error| format!("\"{}\" cannot be read: {error}", entry.item.name))
    };
    let auto_v3 = |hashed: &Hashed| hashed.auto_v3().map(str::to_owned);
    let named = shelf.named(LibraryKind::Lora, &lora.name).cloned();
    let by_hash = || lora.hash.as_deref().and_then(|hash| shelf.hashed(LibraryKind::Lora, hash)).cloned();
    let Some(entry) = named else {
        return match by_hash() {
            Some(entry) => hashes(&entry).map(|hashed| (entry, auto_v3(&hashed))),
            None => Err(no_lora(library, &shelf, &lora.name)),
        };
    };
    if let Some(problem) = &entry.item.problem {
        return Err(format!("\"{}\" cannot be used: {problem}", entry.item.name));
    }
    let hashed = hashes(&entry)?;
    match lora.hash.as_deref() {
        Some(wanted) if ![hashed.auto_v3(), hashed.auto_v2()].contains(&Some(wanted)) => match by_hash() {
            Some(entry) => hashes(&entry).map(|hashed| (entry, auto_v3(&hashed))),
            None => {
                let of_its_kind = if wanted.len() == 10 { hashed.auto_v2() } else { hashed.auto_v3() };
                let has = of_its_kind.unwrap_or("none");
                Err(format!("\"{}\" has the hash {has}, not {wanted}, and no other file has it", entry.item.name))
            }
        },
        _ => Ok((entry, auto_v3(&hashed))),
    }
}

fn no_lora(library: &Library, shelf: &Shelf, name: &str) -> String {
    if !library.has_folders() {
        return format!("there is no LoRA \"{name}\": the server has no library; start it with --models");
    }
    let usable = shelf.of_kind(LibraryKind::Lora).filter(|entry| entry.item.problem.is_none());
    match nearest(name, usable.map(|entry| entry.item.name.as_str())) {
        Some(other) => format!("there is no LoRA \"{name}\"; the nearest is \"{other}\""),
        None => format!("there is no LoRA \"{name}\" in the library"),
    }
}
