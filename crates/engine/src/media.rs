//! The pictures' folder: written by renaming, so that whoever opens a picture has one whole picture.

use crate::fault::PendingFault;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

/// Tags that are remembered; the rest are made again from the bytes.
const REMEMBERED_TAGS: usize = 4096;

/// The ending of a picture that is still being written.
const UNFINISHED: &str = ".tmp";

/// The file inside the folder that holds its identity. Hidden: it is no picture.
const IDENTITY: &str = ".media.id";

/// The folder of all pictures: `<key>.png` for the take with that key.
#[derive(Debug)]
pub struct Media {
    folder: PathBuf,
    counter: AtomicU64,
    tags: Mutex<HashMap<String, (FileIdentity, String)>>,
    /// For tests of the recovery.
    fault: OnceLock<Arc<PendingFault>>,
}

/// An open picture with its strong tag, both of the same bytes.
#[derive(Debug)]
pub struct OpenPicture {
    /// Open for reading, at its start.
    pub file: File,
    /// Bytes.
    pub length: u64,
    /// A hash of the bytes, in hexadecimal digits.
    pub etag: String,
}

/// Tells a file from the one that took its place at the same path. A number of an inode is given again only
/// once nobody has the old file open, so that a reader who compares an open file is never misled.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileIdentity {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { inode, length: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Whether a write must be on the disk before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// It may be lost with the machine's power; the next step writes it anew.
    Preview,
    /// The file and its name are on the disk when the call returns.
    Final,
}

/// What lies in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Keys of pictures.
    pub keys: Vec<String>,
    /// Files that a write left unfinished.
    pub unfinished: Vec<PathBuf>,
}

impl Media {
    /// The folder, made if need be.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let media = Self::at(folder);
        media.make()?;
        Ok(media)
    }

    /// The folder, whether or not it is there: one that is on a disk that is not mounted must not be made in its place.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), counter: AtomicU64::new(0), tags: Mutex::default(), fault: OnceLock::new() }
    }

    /// Makes the folder if it is not there. On Unix only its owner can open it.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }

    /// Whether the folder is there.
    ///
    /// # Errors
    /// Something else in its place, or a place that cannot be looked at.
    pub fn is_there(&self) -> io::Result<bool> {
        match fs::metadata(&self.folder) {
            Ok(metadata) if metadata.is_dir() => Ok(true),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tries to write into the folder; a full disk passes, because what is there can be deleted.
    ///
    /// # Errors
    /// A folder that can only be read.
    pub fn probe(&self) -> io::Result<()> {
        // Named as an unfinished write, so that the next start removes what a kill leaves.
        let path = self.folder.join(format!("{}.0{UNFINISHED}", "0".repeat(32)));
        match private().create(true).truncate(true).open(&path) {
            Ok(_) => fs::remove_file(&path),
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// For tests of the recovery: writes fail as this says.
    pub(crate) fn inject(&self, fault: &Arc<PendingFault>) {
        self.fault.get_or_init(|| Arc::clone(fault));
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a preview over what stands there.
    ///
    /// # Errors
    /// A disk that is full or read-only. What stood there stands.
    pub fn write_preview(&self, key: &str, png: &[u8]) -> io::Result<()> {
        self.write(key, png, Durability::Preview).map(drop)
    }

    /// Writes the final picture over its preview; on the disk when this returns. Answers its tag.
    ///
    /// # Errors
    /// As [`Media::write_preview`].
    pub fn write_final(&self, key: &str, png: &[u8]) -> io::Result<String> {
        self.write(key, png, Durability::Final)
    }

    fn write(&self, key: &str, png: &[u8], durability: Durability) -> io::Result<String> {
        let path = self.path(key)?;
        self.fault.get().map_or(Ok(()), |fault| fault.writing())?;
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let fresh = self.folder.join(format!("{key}.{number}{UNFINISHED}"));
        let written = self.write_renamed(&fresh, &path, png, durability);
        if written.is_err() {
            fs::remove_file(&fresh).ok();
        }
        let identity = written?;
        let etag = etag_of(png);
        self.remember(key, identity, &etag);
        Ok(etag)
    }

    fn write_renamed(&self, fresh: &Path, path: &Path, png: &[u8], durability: Durability) -> io::Result<FileIdentity> {
        let mut file = private().create_new(true).open(fresh)?;
        file.write_all(png)?;
        if durability == Durability::Final {
            file.sync_all()?;
        }
        let identity = FileIdentity::of(&file.metadata()?);
        if durability == Durability::Preview && exchanged(fresh, path) {
            // What the name stood for until now.
            fs::remove_file(fresh)?;
            return Ok(identity);
        }
        fs::rename(fresh, path)?;
        if durability == Durability::Final {
            self.sync_folder()?;
        }
        Ok(identity)
    }

    /// Makes names on the disk what they are in memory.
    #[cfg(unix)]
    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    /// A picture's bytes.
    ///
    /// # Errors
    /// No such picture, or it cannot be read.
    pub fn read(&self, key: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(key)?)
    }

    /// Opens a picture with its tag. Reads all of it when its tag is not remembered.
    ///
    /// # Errors
    /// `NotFound` for a key that is none or has no picture; else a file that cannot be read.
    pub fn picture(&self, key: &str) -> io::Result<OpenPicture> {
        let file = File::open(self.path(key)?)?;
        let metadata = file.metadata()?;
        let identity = FileIdentity::of(&metadata);
        let known = self.lock_tags().get(key).filter(|(of, _)| *of == identity).map(|(_, etag)| etag.clone());
        let etag = match known {
            Some(etag) => etag,
            None => {
                let etag = etag_of_file(&file)?;
                self.remember(key, identity, &etag);
                etag
            }
        };
        Ok(OpenPicture { file, length: metadata.len(), etag })
    }

    /// Whether there is a picture that can be decoded from its first to its last row.
    pub fn is_whole(&self, key: &str) -> bool {
        let decoded = self.path(key).and_then(File::open).map(|file| {
            let format = image::ImageFormat::Png;
            image::load(io::BufReader::new(file), format)
        });
        matches!(decoded, Ok(Ok(_)))
    }

    /// Removes a picture; one that is not there is as good as removed.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove(&self, key: &str) -> io::Result<()> {
        self.lock_tags().remove(key);
        match fs::remove_file(self.path(key)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Every picture, and every file that a write left unfinished. Files of other names are not ours and not
    /// listed.
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

    /// The folder's identity, which its database has as well: none where the folder has none, or is not there.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn identity(&self) -> io::Result<Option<String>> {
        read_identity(&self.identity_path())
    }

    /// The identity as versions before 0.2 kept it: beside the folder, where it stays when the folder's disk goes.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn old_identity(&self) -> io::Result<Option<String>> {
        read_identity(&self.old_identity_path())
    }

    /// Gives the folder its identity, and removes the one beside it. On the disk when it returns.
    ///
    /// # Errors
    /// A disk that is full or read-only.
    pub fn identify(&self, identity: &str) -> io::Result<()> {
        // Named as an unfinished write, so that the next start removes what a kill leaves.
        let fresh = self.folder.join(format!("{}.1{UNFINISHED}", "0".repeat(32)));
        let mut file = private().create(true).truncate(true).open(&fresh)?;
        writeln!(file, "{identity}")?;
        file.sync_all()?;
        fs::rename(&fresh, self.identity_path())?;
        self.sync_folder()?;
        match fs::remove_file(self.old_identity_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Where the identity is.
    pub fn identity_path(&self) -> PathBuf {
        self.folder.join(IDENTITY)
    }

    /// `media.id` beside `media`.
    pub fn old_identity_path(&self) -> PathBuf {
        self.folder.with_extension("id")
    }

    /// Where a picture's file is, or would be.
    ///
    /// # Errors
    /// `NotFound` for what is no key.
    pub fn path(&self, key: &str) -> io::Result<PathBuf> {
        match is_key(key) {
            true => Ok(self.folder.join(format!("{key}.png"))),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "no picture has such a key")),
        }
    }

    fn remember(&self, key: &str, identity: FileIdentity, etag: &str) {
        let mut tags = self.lock_tags();
        if tags.len() >= REMEMBERED_TAGS {
            tags.clear();
        }
        tags.insert(key.to_owned(), (identity, etag.to_owned()));
    }

    fn lock_tags(&self) -> std::sync::MutexGuard<'_, HashMap<String, (FileIdentity, String)>> {
        // A lost entry costs one hash of a file.
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the server writes is read by its own user only, whatever the umask.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn read_identity(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets two files change names at once; false where the other is none, or the system cannot.
///
/// Renamed over another, a file is brought to the disk by ext4 at once: 0.11 ms for a preview instead of 0.03, and a step on
/// all cores waits for it.
#[cfg(target_os = "linux")]
fn exchanged(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    // Anything has a name, a folder too.
    let is_file = fs::symlink_metadata(other).is_ok_and(|other| other.is_file());
    is_file && renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn exchanged(_: &Path, _: &Path) -> bool {
    false
}

/// A new key: 128 random bits in hexadecimal digits.
pub fn new_key() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Whether a text can be a picture's key: 16 to 64 of `0-9`, `a-z`, `-`. Anything else never becomes a path.
pub fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-');
    (16..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn etag_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn etag_of_file(mut file: &File) -> io::Result<String> {
    use std::io::{Read, Seek};
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    file.rewind()?;
    Ok(hex(&hasher.finalize()))
}

/// The first 128 bits: enough that no two pictures of one address ever share a tag.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn media() -> (tempfile::TempDir, Media) {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Media::open(&folder.path().join("media")).expect("made");
        (folder, media)
    }

    #[test]
    fn a_picture_is_replaced_whole_and_an_open_one_stays_what_it_was() {
        let (_folder, media) = media();
        let key = new_key();
        media.write_preview(&key, b"first").expect("written");
        let mut old = media.picture(&key).expect("there");
        media.write_preview(&key, b"another").expect("written");
        let etag = media.write_final(&key, b"second, longer").expect("written");
        let mut text = String::new();
        old.file.read_to_string(&mut text).expect("read");
        assert_eq!((text.as_str(), old.length), ("first", 5));
        let new = media.picture(&key).expect("there");
        assert_eq!((new.etag.as_str(), new.length), (etag.as_str(), 14));
        assert_ne!(old.etag, new.etag);
        assert_eq!(media.list().expect("listed"), Listing { keys: vec![key], unfinished: vec![] });
    }

    #[test]
    fn a_tag_is_of_the_bytes_also_when_nothing_is_remembered() {
        let (_folder, media) = media();
        let key = new_key();
        let etag = media.write_final(&key, b"a picture").expect("written");
        let fresh = Media::open(media.folder()).expect("opened");
        let mut picture = fresh.picture(&key).expect("there");
        assert_eq!(picture.etag, etag);
        let mut bytes = Vec::new();
        picture.file.read_to_end(&mut bytes).expect("read from its start");
        assert_eq!(bytes, b"a picture");
        // `printf 'a picture' | sha256sum`
        assert_eq!(etag, "92b2fa58028958317e408bd84ecfa70f");
    }

    #[test]
    fn the_identity_is_inside_the_folder_and_is_no_picture() {
        let (_folder, media) = media();
        fs::write(media.old_identity_path(), "of an earlier version\n").expect("written");
        assert_eq!((media.identity().expect("none"), media.old_identity().expect("one").is_some()), (None, true));
        media.identify("one").expect("identified");
        assert_eq!(media.identity().expect("read").as_deref(), Some("one"));
        assert!(media.identity_path().starts_with(media.folder()) && !media.old_identity_path().exists());
        assert_eq!(media.list().expect("listed"), Listing::default());
        fs::remove_dir_all(media.folder()).expect("removed");
        assert_eq!((media.identity().expect("none"), media.is_there().expect("looked")), (None, false));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_the_folder_and_its_pictures() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, media) = media();
        let (one, other) = (new_key(), new_key());
        media.write_preview(&one, b"a preview").expect("written");
        media.write_preview(&one, b"the next").expect("written");
        media.write_final(&other, b"a picture").expect("written");
        media.identify("one").expect("identified");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(media.folder()), 0o700);
        for path in [media.path(&one).expect("a key"), media.path(&other).expect("a key"), media.identity_path()] {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_write_that_fails_leaves_no_part_of_itself() {
        let (_folder, media) = media();
        let key = new_key();
        // Nothing can be renamed over a folder.
        fs::create_dir(media.path(&key).expect("a key")).expect("made");
        assert!(media.write_preview(&key, b"x").is_err() && media.write_final(&key, b"x").is_err());
        assert_eq!(media.list().expect("listed").unfinished, Vec::<PathBuf>::new());
    }

    #[test]
    fn only_keys_become_paths() {
        let (folder, media) = media();
        fs::write(folder.path().join("secret.png"), "secret").expect("written");
        for name in ["../secret", "..%2fsecret", "/etc/passwd", "", "abc", "ABCDEFABCDEFABCDEF", "0123456789abcde\0"] {
            let error = media.picture(name).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}");
            assert!(media.write_preview(name, b"x").is_err() && media.remove(name).is_err(), "{name}");
        }
        assert!(is_key(&new_key()));
    }

    #[test]
    fn what_is_not_ours_is_not_listed() {
        let (_folder, media) = media();
        let key = new_key();
        for name in ["notes.txt", "holiday.png", "x.tmp", &format!("{key}.7.tmp")] {
            fs::write(media.folder().join(name), "x").expect("written");
        }
        let unfinished = vec![media.folder().join(format!("{key}.7.tmp"))];
        assert_eq!(media.list().expect("listed"), Listing { keys: vec![], unfinished });
    }

    #[test]
    fn a_broken_picture_is_told_from_a_whole_one() {
        let (_folder, media) = media();
        let key = new_key();
        assert!(!media.is_whole(&key));
        let png = png_info::encode(&[7; 300], 10, 10, None).expect("a PNG");
        media.write_preview(&key, &png).expect("written");
        assert!(media.is_whole(&key));
        media.write_preview(&key, &png[..png.len() - 20]).expect("written");
        assert!(!media.is_whole(&key));
        media.write_preview(&key, &[]).expect("written");
        assert!(!media.is_whole(&key));
    }
}
