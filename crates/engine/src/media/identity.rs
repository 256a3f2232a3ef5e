//! The identity of the pictures' folder. Its database stores the same text, so that a start with a folder and a database
//! that do not belong together is noticed.

use super::{Media, UNFINISHED, files::create_replacing};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The file with the identity. Hidden, because it is not a picture.
const IDENTITY: &str = ".media.id";
/// Bytes of the file that are read. An identity has 32.
const IDENTITY_BYTES: u64 = 1024;

impl Media {
    /// The folder's identity; none if it has none or does not exist.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn identity(&self) -> io::Result<Option<String>> {
        read_identity(&self.identity_path())
    }

    /// The identity as stored by versions before 0.2: beside the folder, so that it stays when the folder's disk is missing.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn old_identity(&self) -> io::Result<Option<String>> {
        read_identity(&self.old_identity_path())
    }

    /// Stores the folder's identity, synced, and removes the one beside the folder.
    ///
    /// # Errors
    /// A full or read-only disk, for example.
    pub fn identify(&self, identity: &str) -> io::Result<()> {
        // Named like an unfinished write, so that the next start removes it if this process is killed.
        let fresh = self.folder.join(format!("{}.1{UNFINISHED}", "0".repeat(32)));
        let mut file = create_replacing(&fresh)?;
        writeln!(file, "{identity}")?;
        file.sync_all()?;
        fs::rename(&fresh, self.identity_path())?;
        self.sync_folder()?;
        match fs::remove_file(self.old_identity_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Path of the identity's file.
    pub fn identity_path(&self) -> PathBuf {
        self.folder.join(IDENTITY)
    }

    /// Path of the identity's file in versions before 0.2: `media.id` beside `media`.
    pub fn old_identity_path(&self) -> PathBuf {
        self.folder.with_extension("id")
    }
}

fn read_identity(path: &Path) -> io::Result<Option<String>> {
    let file = match regular_file::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(IDENTITY_BYTES).read_to_end(&mut bytes)?;
    // A file that is not text is an identity too, of another folder.
    Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|text| !text.is_empty()))
}
