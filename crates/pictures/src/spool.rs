//! Finished pictures that cannot be stored yet, on the disk: a process that is stopped meanwhile, and gets their tasks again,
//! need not make them again.

use crate::{
    ObjectError,
    cache::{private_file, private_folder},
    etag_of,
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime},
};

/// Pictures are removed after this time: their tasks were finished by others.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Suffix of a file that is being written.
const UNFINISHED: &str = ".tmp";

/// A finished picture of the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// The last sampling step that ran.
    pub step: u32,
    /// PNG file.
    pub png: Vec<u8>,
}

/// A folder of finished pictures that wait for the object store.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    waiting: AtomicUsize,
}

/// A picture that waits, until this is dropped.
#[derive(Debug)]
pub struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spool {
    /// Opens the folder; creates it if it does not exist. Removes pictures that are older than a day.
    ///
    /// # Errors
    /// A folder that cannot be created or read.
    pub fn open(folder: &Path) -> Result<Self, ObjectError> {
        let failed = |error| ObjectError::folder(folder, error);
        private_folder(folder).map_err(failed)?;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let is_old = modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= KEPT_FOR));
            if is_old || entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                fs::remove_file(entry.path()).ok();
            }
        }
        Ok(Self { folder: folder.to_owned(), waiting: AtomicUsize::new(0) })
    }

    /// Counts a picture as waiting until the result is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// How many pictures wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Writes the picture of the take `key`, made with `parameters` (their hash) and finished at `step`. It is on the disk when
    /// this returns. Blocks.
    ///
    /// # Errors
    /// A full disk, for example, or a key or a hash that is no part of a file's name.
    pub fn keep(&self, key: &str, parameters: &str, step: u32, png: &[u8]) -> io::Result<()> {
        if !is_plain(key) || !is_plain(parameters) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.remove(key);
        let name = format!("{key}.{parameters}.{step}.{}.png", etag_of(png));
        let fresh = self.folder.join(format!("{name}{UNFINISHED}"));
        let written = private_file(&fresh).and_then(|mut file| {
            file.write_all(png)?;
            file.sync_all()
        });
        let kept = written.and_then(|()| fs::rename(&fresh, self.folder.join(&name)));
        if kept.is_err() {
            fs::remove_file(&fresh).ok();
        }
        kept?;
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }

    /// The whole picture of this take with these parameters, if it is there. Blocks.
    pub fn find(&self, key: &str, parameters: &str) -> Option<Spooled> {
        self.files_of(key).find_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".png")?;
            let mut parts = name.split('.').skip(1);
            let (of, step, etag) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
            if of != parameters {
                return None;
            }
            let mut png = Vec::new();
            regular_file::open(&path).and_then(|mut file| file.read_to_end(&mut png)).ok()?;
            (etag_of(&png) == etag).then_some(Spooled { step, png })
        })
    }

    /// Removes the pictures of a take: it is stored, or over. Blocks.
    pub fn remove(&self, key: &str) {
        self.files_of(key).for_each(|path| _ = fs::remove_file(path));
    }

    fn files_of(&self, key: &str) -> impl Iterator<Item = PathBuf> + use<> {
        let start = format!("{key}.");
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries
            .filter(move |entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&start)))
            .map(|entry| entry.path())
    }
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.len() <= 64 && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_found_by_its_take_and_parameters_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(folder.path()).expect("opens");
        spool.keep("0a", "hash", 20, b"a picture").expect("kept");
        spool.keep("0b", "hash", 3, b"another").expect("kept");
        drop(spool);
        let spool = Spool::open(folder.path()).expect("opens");
        assert_eq!(spool.find("0a", "hash"), Some(Spooled { step: 20, png: b"a picture".to_vec() }));
        assert_eq!((spool.find("0a", "other"), spool.find("0", "hash")), (None, None));
        spool.keep("0a", "hash", 21, b"it was changed").expect("kept");
        assert_eq!(spool.find("0a", "hash").map(|found| found.step), Some(21));
        let path = spool.files_of("0a").next().expect("there");
        fs::write(path, "it was change").expect("written");
        assert_eq!(spool.find("0a", "hash"), None, "a damaged one counts as none");
        spool.remove("0a");
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1);
        assert!(spool.keep("../a", "hash", 1, b"").is_err() && spool.keep("a", "", 1, b"").is_err());
    }

    #[test]
    fn what_waits_is_counted_and_what_is_old_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(folder.path()).expect("opens");
        let (one, two) = (spool.wait(), spool.wait());
        assert_eq!(spool.waiting(), 2);
        drop((one, two));
        assert_eq!(spool.waiting(), 0);
        spool.keep("0a", "hash", 20, b"a picture").expect("kept");
        let path = spool.files_of("0a").next().expect("there");
        let long_ago = SystemTime::now() - KEPT_FOR - Duration::from_secs(1);
        File::options().write(true).open(path).expect("opens").set_modified(long_ago).expect("set");
        assert_eq!(Spool::open(folder.path()).expect("opens").find("0a", "hash"), None);
    }
}
