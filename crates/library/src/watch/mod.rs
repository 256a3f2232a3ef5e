//! The library: its threads, which scan and hash, and its current list.
//!
//! Changes are found by scanning again at an interval, by size and time, and not by the system's file events: model
//! folders are often on network drives, which send none, and a crate for events would bring more code than this module.
//! A scan of 2,000 unchanged files takes some 10 ms.

mod hashing;
mod scanning;

use crate::{Entry, Hashed, Keeper, Known, ReadCheckpoint, Shelf, hash::hash};
use protocol::{LibraryId, LibraryPatch, LibraryStatus};
use std::{
    collections::{HashMap, HashSet},
    fmt, io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

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
    /// As `revision`, without changes of hashes alone.
    files_revision: u64,
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

    /// Scans once, on this thread, without hashes. Reads files that may still be being copied, too. For commands without a
    /// server.
    pub fn scan_now(&self) {
        self.inner.load_known();
        self.inner.scan_once(false);
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
            files_revision: state.files_revision,
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
            self.inner.state().files_revision += 1;
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
    /// Shows a file's new hashes or marks.
    fn replace(&self, known: &Known) {
        {
            let mut state = self.state();
            state.shelf = Arc::new(state.shelf.with(&known.id, |entry| entry.apply(known)));
            state.revision += 1;
        }
        self.keeper.changed();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<LibraryId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
