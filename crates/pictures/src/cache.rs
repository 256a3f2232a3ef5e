//! Objects as files on the disk, named by their ETags.

use crate::{ObjectError, etag_of_reader};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// How much a server keeps.
pub const CACHE_BYTES: u64 = 2 << 30;

/// Suffix of a file that is being written.
const UNFINISHED: &str = ".tmp";

/// Files named by their ETags, within a limit: the least recently used ones are removed first. One process uses a folder.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
    counter: AtomicU64,
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    by_etag: HashMap<String, Entry>,
    bytes: u64,
    /// Counts uses.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    used: u64,
    /// Whether the file's bytes were compared with its name since the start.
    is_checked: bool,
}

impl Cache {
    /// Opens a folder of at most `limit` bytes; creates it if it does not exist. What an earlier process left there is used,
    /// after a check of each file when it is first opened.
    ///
    /// # Errors
    /// A folder that cannot be created or read.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, ObjectError> {
        let failed = |error| ObjectError::folder(folder, error);
        private_folder(folder).map_err(failed)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(UNFINISHED) {
                fs::remove_file(entry.path()).ok();
            } else if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
                && is_etag(&name)
            {
                found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), name, metadata.len()));
            }
        }
        found.sort();
        let cache = Self { folder: folder.to_owned(), limit, counter: AtomicU64::new(0), files: Mutex::default() };
        for (_, etag, bytes) in found {
            cache.note(&etag, bytes, false);
        }
        Ok(cache)
    }

    /// The file with this ETag, open at its start, and its length in bytes; none if it is not there. A file whose bytes are
    /// others is removed. Blocks.
    pub fn get(&self, etag: &str) -> Option<(File, u64)> {
        let is_checked = self.lock().by_etag.get(etag)?.is_checked;
        let found = self.checked(etag, is_checked);
        if found.is_none() {
            self.forget(etag);
        }
        let (file, bytes) = found?;
        self.note(etag, bytes, true);
        // So that the next start removes the files first that were not used for the longest time. Without it their order
        // is that in which they came.
        file.set_modified(SystemTime::now()).ok();
        Some((file, bytes))
    }

    fn checked(&self, etag: &str, is_checked: bool) -> Option<(File, u64)> {
        let mut file = regular_file::open(&self.folder.join(etag)).ok()?;
        let bytes = file.metadata().ok()?.len();
        if !is_checked {
            if etag_of_reader(&file).ok()? != etag {
                tracing::warn!(etag, "a cached picture was damaged; it is fetched again");
                return None;
            }
            file.rewind().ok()?;
        }
        Some((file, bytes))
    }

    /// Keeps these bytes, whose ETag the caller knows, and removes others if there is no room. Blocks.
    ///
    /// # Errors
    /// A full disk, for example. Nothing is kept then.
    pub fn insert(&self, etag: &str, bytes: &[u8]) -> io::Result<()> {
        if !is_etag(etag) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let fresh = self.folder.join(format!("{etag}.{number}{UNFINISHED}"));
        // Not synced: after a power failure a file may be incomplete, and is checked before it is used.
        let written = private_file(&fresh).and_then(|mut file| file.write_all(bytes));
        let kept = written.and_then(|()| fs::rename(&fresh, self.folder.join(etag)));
        if kept.is_err() {
            fs::remove_file(&fresh).ok();
        }
        kept?;
        self.note(etag, bytes.len() as u64, true);
        Ok(())
    }

    /// Bytes in the cache.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn note(&self, etag: &str, bytes: u64, is_checked: bool) {
        let mut files = self.lock();
        files.uses += 1;
        let entry = Entry { bytes, used: files.uses, is_checked };
        files.bytes += bytes;
        if let Some(old) = files.by_etag.insert(etag.to_owned(), entry) {
            files.bytes -= old.bytes;
        }
        while files.bytes > self.limit && files.by_etag.len() > 1 {
            let Some(oldest) = files.by_etag.iter().min_by_key(|(_, entry)| entry.used) else { break };
            let oldest = oldest.0.clone();
            files.remove(&oldest);
            // Readers that have it open read on.
            fs::remove_file(self.folder.join(&oldest)).ok();
        }
    }

    fn forget(&self, etag: &str) {
        self.lock().remove(etag);
        fs::remove_file(self.folder.join(etag)).ok();
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn remove(&mut self, etag: &str) {
        if let Some(entry) = self.by_etag.remove(etag) {
            self.bytes -= entry.bytes;
        }
    }
}

/// Whether this is a name of a file in the cache, which also keeps paths out.
fn is_etag(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A new file that only this process' user can read, whatever the umask.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etag_of;
    use std::io::Read;

    fn read(cache: &Cache, etag: &str) -> Option<Vec<u8>> {
        let (mut file, length) = cache.get(etag)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes.len() as u64, length);
        Some(bytes)
    }

    #[test]
    fn the_least_recently_used_go_first_also_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path(), 30).expect("opens");
        let pictures: Vec<Vec<u8>> = (0..4).map(|n| vec![n; 10]).collect();
        let etags: Vec<String> = pictures.iter().map(|png| etag_of(png)).collect();
        for n in 0..3 {
            cache.insert(&etags[n], &pictures[n]).expect("kept");
        }
        assert_eq!(read(&cache, &etags[0]).as_ref(), Some(&pictures[0]));
        let open = cache.get(&etags[1]).expect("there").0;
        assert!(cache.get(&etags[0]).is_some() && cache.get(&etags[2]).is_some());
        cache.insert(&etags[3], &pictures[3]).expect("kept");
        let there = |cache: &Cache| etags.iter().map(|etag| cache.get(etag).is_some()).collect::<Vec<_>>();
        assert_eq!((there(&cache), cache.bytes()), (vec![true, false, true, true], 30));
        let mut bytes = Vec::new();
        { &open }.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, pictures[1], "an open file stays whole");
        drop(cache);
        fs::write(folder.path().join("x.0.tmp"), "half").expect("written");
        let again = Cache::open(folder.path(), 20).expect("opens");
        assert_eq!((there(&again), again.bytes()), (vec![false, false, true, true], 20));
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 2);
    }

    #[test]
    fn a_file_that_was_damaged_on_the_disk_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let etag = etag_of(b"a picture");
        Cache::open(folder.path(), 100).expect("opens").insert(&etag, b"a picture").expect("kept");
        fs::write(folder.path().join(&etag), "a pictur").expect("written");
        let cache = Cache::open(folder.path(), 100).expect("opens");
        assert_eq!((read(&cache, &etag), cache.bytes()), (None, 0));
        assert!(!folder.path().join(&etag).exists());
        assert!(cache.insert("../escape", b"x").is_err());
    }
}
