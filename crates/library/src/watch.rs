//! The library: its threads, which scan and hash, and its current list.
//!
//! Changes are found by scanning again at an interval, by size and time, and not by the system's file events: model
//! folders are often on network drives, which send none, and a crate for events would bring more code than this module.
//! A scan of 2,000 unchanged files takes some 10 ms.

use crate::{
    Entry, Hashed, Keeper, Known, ReadCheckpoint, Shelf,
    hash::hash,
    scan::{Scanned, scan},
    walk::Found,
};
use protocol::{LibraryId, LibraryPatch, LibraryStatus};
use std::{
    collections::{HashMap, HashSet},
    fmt, fs, io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Time between two scans.
const INTERVAL: Duration = Duration::from_secs(10);

/// Time until the next scan, while a file may still be being copied.
const UNSETTLED_INTERVAL: Duration = Duration::from_secs(1);

/// Files with new facts are kept in groups of this size.
const GROUP: usize = 100;

/// The library. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    inner: Arc<Inner>,
}

struct Inner {
    folders: Vec<PathBuf>,
    keeper: Arc<dyn Keeper>,
    read: Arc<dyn ReadCheckpoint>,
    state: Mutex<State>,
    changed: Condvar,
    known: Mutex<HashMap<LibraryId, Known>>,
}

#[derive(Default)]
struct State {
    shelf: Arc<Shelf>,
    problems: Vec<String>,
    revision: u64,
    scanning: bool,
    /// Whether a scan is requested.
    requested: bool,
    /// Whether there may be files without hashes.
    unhashed: bool,
    stopping: bool,
    /// Files that cannot be hashed, until they change.
    unhashable: HashSet<LibraryId>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("folders", &self.inner.folders).finish_non_exhaustive()
    }
}

impl Library {
    /// A library of these folders. Nothing is scanned before [`Library::start`].
    pub fn new(folders: Vec<PathBuf>, keeper: Arc<dyn Keeper>, read: Arc<dyn ReadCheckpoint>) -> Self {
        let state = Mutex::new(State { scanning: !folders.is_empty(), ..State::default() });
        let inner = Inner { folders, keeper, read, state, changed: Condvar::new(), known: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Starts the threads that scan and hash. Without folders there is nothing to start.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(&self) -> io::Result<()> {
        if self.inner.folders.is_empty() {
            return Ok(());
        }
        let (scanner, hasher) = (Arc::clone(&self.inner), Arc::clone(&self.inner));
        thread::Builder::new().name("library".to_owned()).spawn(move || scanner.scan_until_stopped())?;
        thread::Builder::new().name("library hashes".to_owned()).spawn(move || hasher.hash_until_stopped())?;
        Ok(())
    }

    /// Scans once, on this thread, without hashes. For commands without a server.
    pub fn scan_now(&self) {
        self.inner.load_known();
        self.inner.scan_once();
    }

    /// Ends the threads after the file that they are at.
    pub fn stop(&self) {
        self.inner.state().stopping = true;
        self.inner.changed.notify_all();
    }

    /// Waits until no scan is running, but no longer than `at_most`.
    pub fn wait_for_scan(&self, at_most: Duration) {
        let scans = |state: &mut State| state.scanning && !state.stopping;
        drop(self.inner.changed.wait_timeout_while(self.inner.state(), at_most, scans));
    }

    /// Whether there are folders.
    pub fn has_folders(&self) -> bool {
        !self.inner.folders.is_empty()
    }

    /// Requests a scan, unless one is running.
    pub fn request_scan(&self) {
        self.inner.state().requested = true;
        self.inner.changed.notify_all();
    }

    /// The current list.
    pub fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.inner.state().shelf)
    }

    /// The current state.
    pub fn status(&self) -> LibraryStatus {
        let state = self.inner.state();
        let count = |is: &dyn Fn(&Entry) -> bool| state.shelf.entries().iter().filter(|entry| is(entry)).count() as u64;
        LibraryStatus {
            revision: state.revision,
            scanning: state.scanning,
            folders: self.inner.folders.iter().map(|folder| folder.display().to_string()).collect(),
            problems: state.problems.clone(),
            items: count(&|_| true),
            refused: count(&|entry| entry.item.problem.is_some()),
            unhashed: count(&|entry| {
                entry.item.hashes.sha256.is_none() && entry.item.problem.is_none() && !entry.is_folder
            }),
        }
    }

    /// What is known about a file, with the marks that a patch sets. None for an unknown file. The change becomes visible
    /// with [`Library::mark`], after it is stored.
    pub fn marked(&self, id: &LibraryId, patch: &LibraryPatch) -> Option<Known> {
        let mut known = self.inner.known().get(id)?.clone();
        if let Some(favourite) = patch.favourite {
            known.favourite = favourite;
        }
        let text = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(distillation) = &patch.distillation {
            known.distillation = text(distillation);
        }
        if let Some(title) = &patch.title {
            known.title = text(title);
        }
        Some(known)
    }

    /// Shows a file's marks in the list.
    pub fn mark(&self, marked: &Known) {
        let now = self.inner.known().get_mut(&marked.id).map(|known| {
            known.favourite = marked.favourite;
            known.distillation.clone_from(&marked.distillation);
            known.title.clone_from(&marked.title);
            known.clone()
        });
        if let Some(now) = now {
            self.inner.replace(&now);
        }
    }

    /// A file's hashes, computed now on this thread if they are not known yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn hashes(&self, entry: &Entry) -> io::Result<Hashed> {
        let known = self.inner.known().get(&entry.item.id).and_then(|known| known.hashed.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let stopped = || io::Error::other("the server is stopping");
        let hashed = hash(&entry.path, |_| !self.inner.state().stopping)?.ok_or_else(stopped)?;
        self.inner.keep_hash(entry, hashed.clone());
        Ok(hashed)
    }
}

impl Inner {
    fn scan_until_stopped(&self) {
        self.load_known();
        let mut interval = Duration::ZERO;
        loop {
            {
                let waits = |state: &mut State| !state.requested && !state.stopping;
                let waited = self.changed.wait_timeout_while(self.state(), interval, waits);
                let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                if state.stopping {
                    return;
                }
                state.requested = false;
            }
            interval = if self.scan_once() { UNSETTLED_INTERVAL } else { INTERVAL };
        }
    }

    fn load_known(&self) {
        let loaded = self.keeper.load();
        *self.known() = loaded.into_iter().map(|known| (known.id.clone(), known)).collect();
    }

    /// Scans and publishes the list if it has changed. Returns whether a file may still be being copied.
    fn scan_once(&self) -> bool {
        let before = self.known().clone();
        let publish = |shelf| {
            self.publish(shelf, None, true);
            !self.state().stopping
        };
        let Scanned { files, problems, news, is_unsettled } = scan(&self.folders, &before, &*self.read, publish);
        for group in news.chunks(GROUP) {
            self.keeper.save(group.to_vec());
        }
        let files = self.merged(files, news);
        self.publish(Shelf::new(files), Some(problems), false);
        is_unsettled
    }

    /// Adds the news to what is known. Marks and hashes that came during the scan stay.
    fn merged(&self, files: Vec<(Found, Known)>, news: Vec<Known>) -> Vec<(Found, Known)> {
        let mut known = self.known();
        for mut now in news {
            if let Some(old) = known.get(&now.id) {
                now.favourite = old.favourite;
                now.distillation.clone_from(&old.distillation);
                now.title.clone_from(&old.title);
            }
            known.insert(now.id.clone(), now);
        }
        let current = |(found, then): (Found, Known)| {
            let now = known.get(&then.id).cloned().unwrap_or(then);
            (found, now)
        };
        files.into_iter().map(current).collect()
    }

    /// Shows a file's new hashes or marks.
    fn replace(&self, known: &Known) {
        {
            let mut state = self.state();
            state.shelf = Arc::new(state.shelf.with(&known.id, |entry| entry.apply(known)));
            state.revision += 1;
        }
        self.keeper.changed();
    }

    fn publish(&self, shelf: Shelf, problems: Option<Vec<String>>, scanning: bool) {
        let mut state = self.state();
        let problems = problems.unwrap_or_else(|| state.problems.clone());
        let is_same = state.scanning == scanning
            && state.problems == problems
            && state.shelf.entries().len() == shelf.entries().len()
            && state.shelf.entries().iter().zip(shelf.entries()).all(|(old, new)| old == new);
        if is_same {
            return;
        }
        state.shelf = Arc::new(shelf);
        (state.problems, state.scanning, state.unhashed) = (problems, scanning, true);
        state.revision += 1;
        state.unhashable.clear();
        drop(state);
        self.changed.notify_all();
        self.keeper.changed();
    }

    fn hash_until_stopped(&self) {
        loop {
            let shelf = {
                let waits = |state: &mut State| !state.stopping && (!state.unhashed || state.scanning);
                let state = self.changed.wait_while(self.state(), waits).unwrap_or_else(PoisonError::into_inner);
                if state.stopping {
                    return;
                }
                Arc::clone(&state.shelf)
            };
            let next = {
                let mut state = self.state();
                let wants = |entry: &&Arc<Entry>| {
                    entry.item.problem.is_none()
                        && entry.item.hashes.sha256.is_none()
                        && !entry.is_folder
                        && !state.unhashable.contains(&entry.item.id)
                };
                // Small files first: LoRAs are resolved by hash, checkpoints rarely.
                let next = shelf.entries().iter().filter(wants).min_by_key(|entry| entry.item.bytes).cloned();
                state.unhashed = next.is_some();
                next
            };
            if let Some(entry) = next {
                self.hash_one(&entry);
            }
        }
    }

    fn hash_one(&self, entry: &Arc<Entry>) {
        let pause = |took: Duration| {
            if self.keeper.is_busy() {
                thread::sleep((took * 9).min(Duration::from_secs(1)));
            }
            !self.state().stopping
        };
        match hash(&entry.path, pause) {
            Ok(Some(hashed)) => self.keep_hash(entry, hashed),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(file = %entry.path.display(), %error, "a file cannot be hashed");
                self.state().unhashable.insert(entry.item.id.clone());
            }
        }
    }

    /// Keeps a file's hashes, unless it was changed while it was read.
    fn keep_hash(&self, entry: &Entry, hashed: Hashed) {
        let metadata = fs::metadata(&entry.path);
        let is_same = metadata.is_ok_and(|metadata| {
            metadata.len() == entry.item.bytes && crate::walk::modified_ms(&metadata) == entry.item.modified_ms
        });
        let kept = {
            let mut known = self.known();
            let known = known.get_mut(&entry.item.id).filter(|_| is_same);
            known.map(|known| {
                known.hashed = Some(hashed);
                known.clone()
            })
        };
        let Some(kept) = kept else {
            self.state().unhashable.insert(entry.item.id.clone());
            return;
        };
        self.keeper.save(vec![kept.clone()]);
        self.replace(&kept);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<LibraryId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
