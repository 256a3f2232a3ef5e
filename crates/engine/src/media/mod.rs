//! The pictures' folder. Files are replaced by renaming, so that a reader always has one complete picture.

mod etags;
mod files;
mod identity;
mod keys;
mod objects;
mod opened;
mod states;
#[cfg(test)]
mod tests;
mod trace_objects;
mod traces;

pub use keys::{is_key, new_key};
pub use opened::{Formed, OpenPicture, PictureBytes};
pub use trace_objects::TraceUnstored;
pub(crate) use trace_objects::is_out_of_reach;
pub use traces::{TraceFile, TraceListing};

use crate::injected::FaultInjector;
use ::pictures::{etag_of, etag_of_reader};
use etags::{Etags, FileIdentity, Tag};
use files::{exchange, private};
use objects::Objects;
use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Suffix of a picture that is being written.
const UNFINISHED: &str = ".tmp";

/// Where the pictures are: a folder, in which the file of a take is `<key>.png`, or the objects of an object store. The folder is
/// there in either case, for what only this server uses.
#[derive(Debug)]
pub struct Media {
    folder: PathBuf,
    counter: AtomicU64,
    etags: Etags,
    objects: Option<Objects>,
    /// For tests of the recovery.
    faults: OnceLock<Arc<FaultInjector>>,
}

/// Whether a write is synced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// Not synced: a power failure may lose it, and the next step writes a new one.
    Preview,
    /// The file and its name are synced when the call returns.
    Final,
}

/// The files in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Keys of pictures.
    pub keys: Vec<String>,
    /// Temporary files of writes that did not finish.
    pub unfinished: Vec<PathBuf>,
}

impl Media {
    /// Opens the folder; creates it if it does not exist.
    ///
    /// # Errors
    /// A folder that cannot be created.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let media = Self::at(folder);
        media.create()?;
        Ok(media)
    }

    /// Refers to the folder without creating it: its disk may not be mounted.
    pub fn at(folder: &Path) -> Self {
        // Another server on the same folder may write a file of the same key at the same time.
        let counter = AtomicU64::new(u64::from(rand::random::<u32>()) << 20);
        Self { folder: folder.to_owned(), counter, etags: Etags::default(), objects: None, faults: OnceLock::new() }
    }

    /// Creates the folder if it does not exist. On Unix only its owner can open it.
    ///
    /// # Errors
    /// A folder that cannot be created.
    pub fn create(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }

    /// Whether the folder exists.
    ///
    /// # Errors
    /// A path that is not a folder or cannot be read.
    pub fn exists(&self) -> io::Result<bool> {
        match fs::metadata(&self.folder) {
            Ok(metadata) if metadata.is_dir() => Ok(true),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Checks that the folder can be written. A full disk passes, because its pictures can still be deleted.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn probe(&self) -> io::Result<()> {
        // Named like an unfinished write, so that the next start removes it if this process is killed.
        let path = self.folder.join(format!("{}.0{UNFINISHED}", "0".repeat(32)));
        match files::create_replacing(&path) {
            Ok(_) => fs::remove_file(&path),
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// For tests of the recovery: makes writes fail.
    pub(crate) fn inject(&self, faults: &Arc<FaultInjector>) {
        self.faults.get_or_init(|| Arc::clone(faults));
    }

    /// The folder's path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a first preview, replacing the file with this key. Not synced.
    ///
    /// # Errors
    /// A full or read-only disk, for example. The old file stays.
    pub fn write_preview(&self, key: &str, png: &[u8]) -> io::Result<()> {
        self.write_preview_of(key, png, Formed::default())
    }

    /// As [`Media::write_preview`], for a preview that is made so far.
    ///
    /// # Errors
    /// As [`Media::write_preview`].
    pub(crate) fn write_preview_of(&self, key: &str, png: &[u8], formed: Formed) -> io::Result<()> {
        self.write(key, png, Durability::Preview, Some(formed)).map(drop)
    }

    /// Writes the final picture, replacing its preview. Synced when this returns. Returns its ETag.
    ///
    /// # Errors
    /// As [`Media::write_preview`].
    pub fn write_final(&self, key: &str, png: &[u8]) -> io::Result<String> {
        self.write(key, png, Durability::Final, None)
    }

    fn write(&self, key: &str, png: &[u8], durability: Durability, formed: Option<Formed>) -> io::Result<String> {
        let path = self.path(key)?;
        self.faults.get().map_or(Ok(()), |faults| faults.write_error())?;
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let fresh = self.folder.join(format!("{key}.{number}{UNFINISHED}"));
        let written = self.write_renamed(&fresh, &path, png, durability);
        if written.is_err() {
            fs::remove_file(&fresh).ok();
        }
        let identity = written?;
        let etag = etag_of(png);
        self.etags.insert(key, identity, Tag { etag: etag.clone(), formed });
        Ok(etag)
    }

    fn write_renamed(&self, fresh: &Path, path: &Path, png: &[u8], durability: Durability) -> io::Result<FileIdentity> {
        let mut file = private().create_new(true).open(fresh)?;
        file.write_all(png)?;
        if durability == Durability::Final {
            file.sync_all()?;
        }
        let identity = FileIdentity::of(&file.metadata()?);
        if durability == Durability::Preview && exchange(fresh, path) {
            // This is the old preview now.
            fs::remove_file(fresh)?;
            return Ok(identity);
        }
        fs::rename(fresh, path)?;
        if durability == Durability::Final {
            self.sync_folder()?;
        }
        Ok(identity)
    }

    /// Syncs the folder: created and renamed files.
    #[cfg(unix)]
    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    /// Reads a picture.
    ///
    /// # Errors
    /// `NotFound`, or a file that cannot be read.
    pub fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(key)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Opens a picture with its ETag. Reads the whole file if its ETag is not cached.
    ///
    /// # Errors
    /// `NotFound` for an invalid key or a missing file; else a file that cannot be read.
    pub fn picture(&self, key: &str) -> io::Result<OpenPicture> {
        let file = self.open_file(key)?;
        let metadata = file.metadata()?;
        let identity = FileIdentity::of(&metadata);
        let tag = match self.etags.get(key, &identity) {
            Some(tag) => tag,
            None => {
                let tag = Tag { etag: etag_of_reader(&file)?, formed: None };
                (&file).rewind()?;
                self.etags.insert(key, identity, tag.clone());
                tag
            }
        };
        Ok(OpenPicture::of_file(file, metadata.len(), tag.etag, tag.formed))
    }

    fn open_file(&self, key: &str) -> io::Result<File> {
        regular_file::open(&self.path(key)?)
    }

    /// Whether the picture exists and can be decoded completely.
    pub fn is_whole(&self, key: &str) -> bool {
        let decoded = self.open_file(key).map(|file| {
            let format = image::ImageFormat::Png;
            image::load(io::BufReader::new(file), format)
        });
        matches!(decoded, Ok(Ok(_)))
    }

    /// Removes a picture's files, and its trace. A missing file is not an error. Objects stay until no row has named them for a
    /// day: another take may name the same one.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove(&self, key: &str) -> io::Result<()> {
        self.etags.remove(key);
        self.forget(key);
        self.remove_trace(key)?;
        self.remove_state(key)?;
        match fs::remove_file(self.path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Lists the pictures and unfinished writes. Files with other names do not belong to Emberline and are not listed.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(key) = name.strip_suffix(".png").filter(|key| is_key(key)) {
                listing.keys.push(key.to_owned());
            } else if name
                .strip_suffix(UNFINISHED)
                .and_then(|stem| stem.rsplit_once('.'))
                .is_some_and(|(key, number)| is_key(key) && number.bytes().all(|digit| digit.is_ascii_digit()))
            {
                listing.unfinished.push(entry.path());
            }
        }
        Ok(listing)
    }

    /// The path of a picture's file, whether or not it exists.
    ///
    /// # Errors
    /// `NotFound` for an invalid key.
    pub fn path(&self, key: &str) -> io::Result<PathBuf> {
        match is_key(key) {
            true => Ok(self.folder.join(format!("{key}.png"))),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "no picture has such a key")),
        }
    }
}
