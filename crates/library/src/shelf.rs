//! The list of the library's files at one moment, and searches in it.

use crate::{CheckpointFacts, Known, describe::stem, names::names, walk::Found};
use generation::Distillation;
use protocol::{FileHashes, LibraryDistillation, LibraryId, LibraryItem, LibraryKind};
use std::{collections::HashMap, path::PathBuf, sync::Arc};

/// The picture beside a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The picture file.
    pub path: PathBuf,
    /// Changes with the picture.
    pub version: String,
}

/// A file of the library.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The file for clients. `loaded` and `takes` are not filled in, and `thumbnail` only if there is a preview file.
    pub item: LibraryItem,
    /// The file.
    pub path: PathBuf,
    /// The picture beside it.
    pub preview: Option<Preview>,
    /// The name that its trainer gave it.
    pub alias: Option<String>,
    /// Whether it is a diffusers folder, which has no hashes.
    pub is_folder: bool,
    /// Set for a usable checkpoint.
    pub checkpoint: Option<CheckpointFacts>,
    /// Where it is sorted: kind and lower-case name.
    place: (LibraryKind, String, String),
    /// Lower-case text that a search looks through, without the title.
    searched: String,
    /// The title in its metadata.
    own_title: Option<String>,
    /// The distillation that its name or metadata tells.
    own_distillation: Option<String>,
}

/// The list of files at one moment, sorted by kind and name.
#[derive(Debug, Default)]
pub struct Shelf {
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<LibraryId, usize>,
}

impl Shelf {
    pub(crate) fn new(files: Vec<(Found, Known)>) -> Self {
        let mut by_kind: HashMap<LibraryKind, Vec<(Found, Known)>> = HashMap::new();
        for (found, known) in files {
            if let Some(facts) = &known.facts {
                by_kind.entry(facts.kind).or_default().push((found, known));
            }
        }
        let mut entries = Vec::new();
        for mut of_kind in by_kind.into_values() {
            of_kind.sort_by(|(a, _), (b, _)| (depth(a), a.folder, &a.file).cmp(&(depth(b), b.folder, &b.file)));
            let files: Vec<_> = of_kind.iter().map(|(found, _)| (found.file.as_str(), found.is_folder)).collect();
            let names = names(&files);
            entries
                .extend(of_kind.into_iter().zip(names).filter_map(|((found, known), name)| entry(found, known, name)));
        }
        entries.sort_by(|a: &Entry, b| a.place.cmp(&b.place));
        let by_id = entries.iter().enumerate().map(|(index, entry)| (entry.item.id.clone(), index)).collect();
        Self { entries: entries.into_iter().map(Arc::new).collect(), by_id }
    }

    /// All files, sorted by kind and name.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The file with this id.
    pub fn get(&self, id: &LibraryId) -> Option<&Arc<Entry>> {
        self.by_id.get(id).and_then(|index| self.entries.get(*index))
    }

    /// The list with one file changed.
    pub(crate) fn with(&self, id: &LibraryId, change: impl FnOnce(&mut Entry)) -> Self {
        let (mut entries, by_id) = (self.entries.clone(), self.by_id.clone());
        if let Some(entry) = by_id.get(id).and_then(|index| entries.get_mut(*index)) {
            change(Arc::make_mut(entry));
        }
        Self { entries, by_id }
    }

    /// The files of a kind.
    pub fn of_kind(&self, kind: LibraryKind) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().filter(move |entry| entry.item.kind == kind)
    }

    /// The files that match, in order.
    pub fn matching(
        &self,
        kind: Option<LibraryKind>,
        search: &str,
        favourites: bool,
    ) -> impl Iterator<Item = &Arc<Entry>> {
        let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
        self.entries.iter().filter(move |entry| {
            kind.is_none_or(|kind| entry.item.kind == kind)
                && (!favourites || entry.item.favourite)
                && words.iter().all(|word| entry.has(word))
        })
    }

    /// Whether a file follows a place in the list ([`LibraryItem::place`]).
    pub fn is_after(entry: &Entry, place: &str) -> bool {
        let Some((kind, name)) = place.split_once(':') else { return true };
        let Some(kind) = LibraryKind::from_name(kind) else { return true };
        entry.place > (kind, name.to_lowercase(), name.to_owned())
    }

    /// The file of a kind with this name: its own, otherwise its path, otherwise its file name or its trainer's name if
    /// only one file has that.
    pub fn named(&self, kind: LibraryKind, name: &str) -> Option<&Arc<Entry>> {
        let own = self.of_kind(kind).find(|entry| entry.item.name == name);
        let by_path =
            || self.of_kind(kind).find(|entry| without_extension(&entry.item.file) == name || entry.item.file == name);
        let only = |is: &dyn Fn(&Entry) -> bool| {
            let mut found = self.of_kind(kind).filter(|entry| is(entry));
            found.next().filter(|_| found.next().is_none())
        };
        let by_file = || only(&|entry| stem(&entry.item.file, false) == name || file_name(&entry.item.file) == name);
        let by_alias = || only(&|entry| entry.alias.as_deref() == Some(name));
        own.or_else(by_path).or_else(by_file).or_else(by_alias)
    }

    /// The usable file of a kind with this AutoV3 or AutoV2 hash, as far as hashes are computed.
    pub fn hashed(&self, kind: LibraryKind, hash: &str) -> Option<&Arc<Entry>> {
        let has = |hashes: &FileHashes| [&hashes.auto_v3, &hashes.auto_v2].into_iter().flatten().any(|it| it == hash);
        self.of_kind(kind).find(|entry| entry.item.problem.is_none() && has(&entry.item.hashes))
    }
}

impl Shelf {
    /// The usable embeddings.
    fn embeddings(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.of_kind(LibraryKind::Embedding).filter(|entry| entry.item.problem.is_none())
    }

    /// The usable embeddings whose names occur in a text, in any case.
    pub fn embeddings_in(&self, text: &str) -> impl Iterator<Item = &Arc<Entry>> {
        let text = text.to_lowercase();
        self.embeddings().filter(move |entry| text.contains(&entry.stem().to_lowercase()))
    }

    /// Whether a text begins with the name of a usable embedding, in any case: what follows `embedding:` in a prompt may go on
    /// with an extension.
    pub fn is_embedding(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.embeddings().any(|entry| text.starts_with(&entry.stem().to_lowercase()))
    }
}

impl Entry {
    /// The file's name without its extension: an embedding's name in prompts.
    pub fn stem(&self) -> String {
        stem(&self.item.file, self.is_folder)
    }

    /// Takes over hashes and marks.
    pub(crate) fn apply(&mut self, known: &Known) {
        self.item.hashes = known.hashed.as_ref().map_or_else(FileHashes::default, |hashed| hashed.for_clients());
        self.item.favourite = known.favourite;
        self.item.title = known.title.clone().or_else(|| self.own_title.clone());
        let (distilled, is_marked) = match &known.distillation {
            Some(mark) => (Some(mark), true),
            None => (self.own_distillation.as_ref(), false),
        };
        self.item.distillation = distilled.and_then(|name| distillation(name, is_marked));
    }

    /// Whether a text that a search looks through contains a lower-case word.
    fn has(&self, word: &str) -> bool {
        self.searched.contains(word)
            || self.item.title.as_ref().is_some_and(|title| title.to_lowercase().contains(word))
    }
}

fn depth(found: &Found) -> usize {
    found.file.matches('/').count()
}

fn without_extension(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(path, _)| path)
}

fn file_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn entry(found: Found, known: Known, name: String) -> Option<Entry> {
    let facts = known.facts.clone()?;
    let preview = found.preview.and_then(|path| {
        let metadata = std::fs::metadata(&path).ok()?;
        Some(Preview { version: format!("{:x}-{:x}", crate::walk::modified_ms(&metadata), metadata.len()), path })
    });
    let item = LibraryItem {
        thumbnail: preview.as_ref().map(|preview| protocol::library::thumbnail_path(&known.id, &preview.version)),
        id: known.id.clone(),
        kind: facts.kind,
        folder: known.folder.clone(),
        file: found.file,
        bytes: found.bytes,
        modified_ms: found.modified_ms,
        title: None,
        author: facts.author,
        family: facts.family,
        base: facts.base,
        details: facts.details,
        memory_bytes: facts.checkpoint.as_ref().and_then(|it| it.memory_bytes),
        trigger_words: facts.trigger_words,
        hashes: FileHashes::default(),
        favourite: false,
        distillation: None,
        takes: 0,
        recommended: facts.checkpoint.as_ref().map(|it| it.recommended.clone()),
        loaded: false,
        problem: facts.problem,
        name,
    };
    let texts = [Some(&item.name), Some(&item.file), item.base.as_ref(), item.family.as_ref(), facts.alias.as_ref()];
    let words = texts.into_iter().flatten().chain(&item.trigger_words);
    let searched = words.map(|text| text.to_lowercase()).collect::<Vec<_>>().join("\n");
    let place = (item.kind, item.name.to_lowercase(), item.name.clone());
    let mut entry = Entry {
        path: found.path,
        preview,
        alias: facts.alias,
        is_folder: found.is_folder,
        checkpoint: facts.checkpoint,
        place,
        searched,
        own_title: facts.title,
        own_distillation: facts.distillation,
        item,
    };
    entry.apply(&known);
    Some(entry)
}

/// The settings of a distillation with this name; none for `none` and for an unknown name.
fn distillation(name: &str, is_marked: bool) -> Option<LibraryDistillation> {
    let distilled: Distillation = name.parse().ok()?;
    let settings = distilled.settings();
    Some(LibraryDistillation {
        name: name.to_owned(),
        title: title(distilled),
        is_marked,
        steps: settings.steps,
        sampler: settings.sampler,
        scheduler: settings.scheduler,
        cfg_scale: settings.cfg_scale,
    })
}

/// `lightning-4` as `Lightning, 4 steps`.
fn title(distilled: Distillation) -> String {
    let mut words = distilled.as_str().split('-');
    let method = match words.next().unwrap_or_default() {
        "lcm" => "LCM".to_owned(),
        "tcd" => "TCD".to_owned(),
        "dmd2" => "DMD2".to_owned(),
        "pcm" => "PCM".to_owned(),
        other => other.chars().take(1).flat_map(char::to_uppercase).chain(other.chars().skip(1)).collect(),
    };
    let rest = words.map(|word| match word {
        "cfg" => "with guidance".to_owned(),
        "unified" => "1 to 8 steps".to_owned(),
        steps => format!("{steps} steps"),
    });
    std::iter::once(method).chain(rest).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_readable() {
        let of = |name: &str| title(name.parse().expect("a name"));
        assert_eq!(of("lightning-4"), "Lightning, 4 steps");
        assert_eq!(of("hyper-8-cfg"), "Hyper, 8 steps, with guidance");
        assert_eq!((of("lcm"), of("dmd2")), ("LCM".to_owned(), "DMD2".to_owned()));
    }
}
