//! One scan: which files there are, and the headers of those that are new or have changed.

use crate::{
    Facts, Known, ReadCheckpoint, Shelf,
    describe::describe,
    known::id,
    walk::{Found, walk},
};
use protocol::LibraryId;
use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A file that was changed within this time may still be being copied, and is read at the next scan.
const SETTLED_MS: i64 = 2000;

/// How often the list is published during a scan.
const PUBLISHED_EVERY: Duration = Duration::from_millis(500);

/// Result of a scan.
pub(crate) struct Scanned {
    pub(crate) files: Vec<(Found, Known)>,
    pub(crate) problems: Vec<String>,
    /// Files that were read or found elsewhere, to be kept.
    pub(crate) news: Vec<Known>,
    /// Whether files were left out because they may still be being copied.
    pub(crate) is_unsettled: bool,
}

/// Scans the folders. `known` is what was known before. If scans are repeated, leaves out files that may still be being copied.
/// Calls `publish` with the files so far, and ends early if it returns false.
pub(crate) fn scan(
    folders: &[PathBuf],
    known: &HashMap<LibraryId, Known>,
    read: &dyn ReadCheckpoint,
    is_repeated: bool,
    mut publish: impl FnMut(Shelf) -> bool,
) -> Scanned {
    let (found, problems) = walk(folders);
    let found: Vec<(LibraryId, Found)> =
        found.into_iter().map(|found| (id(&folders[found.folder], &found.file), found)).collect();
    let present: HashSet<&LibraryId> = found.iter().map(|(id, _)| id).collect();
    let mut moved = moved(known, &present);
    let (mut files, mut unread, mut news, mut is_unsettled) = (Vec::new(), Vec::new(), Vec::new(), false);
    for (id, found) in &found {
        let at = |known: &Known| known.bytes == found.bytes && known.modified_ms == found.modified_ms;
        match known.get(id).filter(|known| at(known) && known.facts.is_some()) {
            Some(known) => files.push((found.clone(), known.clone())),
            None if !is_repeated || is_settled(found) => unread.push((id.clone(), found.clone())),
            None => is_unsettled = true,
        }
    }
    let mut published = Instant::now();
    if !unread.is_empty() && !publish(Shelf::new(files.clone())) {
        return Scanned { files, problems, news, is_unsettled };
    }
    for (id, found) in unread {
        let folder = folders[found.folder].display().to_string();
        let old =
            known.get(&id).cloned().or_else(|| moved.remove(&(file_name(&found), found.bytes, found.modified_ms)));
        let now = read_again(id, folder, &found, old, read);
        news.push(now.clone());
        files.push((found, now));
        if published.elapsed() > PUBLISHED_EVERY {
            published = Instant::now();
            if !publish(Shelf::new(files.clone())) {
                break;
            }
        }
    }
    Scanned { files, problems, news, is_unsettled }
}

/// What is known about files that are gone, by name, size and time: a file with the same was moved.
fn moved(known: &HashMap<LibraryId, Known>, present: &HashSet<&LibraryId>) -> HashMap<(String, u64, i64), Known> {
    let gone = known.values().filter(|known| !present.contains(&known.id));
    let key = |known: &Known| {
        let name = known.file.rsplit('/').next().unwrap_or_default().to_owned();
        (name, known.bytes, known.modified_ms)
    };
    gone.map(|known| (key(known), known.clone())).collect()
}

fn file_name(found: &Found) -> String {
    found.file.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Reads a file's header, and keeps the marks and, for a file that was only moved, the hashes.
fn read_again(id: LibraryId, folder: String, found: &Found, old: Option<Known>, read: &dyn ReadCheckpoint) -> Known {
    let is_same = |old: &Known| old.bytes == found.bytes && old.modified_ms == found.modified_ms;
    let facts = catch_unwind(AssertUnwindSafe(|| describe(found, read))).unwrap_or_else(|_| {
        // A defect of the reader: the other files are listed all the same.
        tracing::error!(file = %found.path.display(), "reading a file's header panicked");
        let kind = found.kind.unwrap_or(protocol::LibraryKind::Checkpoint);
        Facts { problem: Some("its header cannot be read".to_owned()), ..Facts::new(kind) }
    });
    Known {
        id,
        folder,
        file: found.file.clone(),
        bytes: found.bytes,
        modified_ms: found.modified_ms,
        facts: Some(facts),
        hashed: old.as_ref().filter(|old| is_same(old)).and_then(|old| old.hashed.clone()),
        favourite: old.as_ref().is_some_and(|old| old.favourite),
        distillation: old.as_ref().and_then(|old| old.distillation.clone()),
        title: old.and_then(|old| old.title),
    }
}

fn is_settled(found: &Found) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    !(found.modified_ms <= now && now - found.modified_ms < SETTLED_MS)
}
