//! The data folder: its location, permissions and lock. One server at a time owns it.

use anyhow::{Context, Result, bail};
use std::{
    env,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Path of the pictures in a data folder.
pub fn media_in(data_dir: &Path) -> PathBuf {
    data_dir.join("media")
}

/// The folder of exported files.
pub fn exports_in(folder: &Path) -> PathBuf {
    folder.join("exports")
}

/// Path of what did not match at a start, in the folder of the pictures' folder.
pub fn lost_found_in(folder: &Path) -> PathBuf {
    folder.join("lost+found")
}

/// A data folder that this process owns until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // The lock is held while the file is open.
    _lock: File,
}

impl DataDir {
    /// Creates the folder if it does not exist, and locks it.
    ///
    /// # Errors
    /// The folder cannot be created or written, or another process holds its lock.
    pub fn open(path: PathBuf) -> Result<Self> {
        make_private(&path).with_context(|| format!("cannot make the data folder {}", path.display()))?;
        let lock_path = path.join("emberline.lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock =
            options.open(&lock_path).with_context(|| format!("cannot write in the data folder {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {
                warn_if_shared(&path);
                Ok(Self { path, _lock: lock })
            }
            Err(TryLockError::WouldBlock) => bail!(
                "another emberline uses the data folder {}; stop it, or give this one its own with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock the data folder {}", path.display()))
            }
        }
    }

    /// The folder of cached pictures, where they are objects.
    pub fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// The folder of exported files.
    pub fn exports(&self) -> PathBuf {
        exports_in(&self.path)
    }

    /// The id that the last server on this folder had in a PostgreSQL database; none if it is unknown.
    pub fn server_id(&self) -> Option<String> {
        fs::read_to_string(self.server_id_path()).ok().map(|id| id.trim().to_owned())
    }

    /// Stores the id of this server, so that the next start on this folder takes up what it leaves behind without waiting until
    /// its leases are over.
    pub fn set_server_id(&self, id: &str) {
        let path = self.server_id_path();
        if let Err(error) = fs::write(&path, id) {
            tracing::warn!(path = %path.display(), %error, "cannot write the id of this server; after a crash its pictures wait for their leases");
        }
    }

    fn server_id_path(&self) -> PathBuf {
        self.path.join("emberline.server")
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// URL of the default database inside it.
    pub fn database_url(&self) -> String {
        database_url_in(&self.path)
    }
}

/// Creates the folder with access for its owner only. An existing folder keeps its permissions.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Logs a warning if other users can read the folder, as those of earlier versions. Its owner decides what to do.
fn warn_if_shared(path: &Path) {
    #[cfg(unix)]
    if let Ok(mode) = fs::metadata(path).map(|folder| std::os::unix::fs::PermissionsExt::mode(&folder.permissions()))
        && mode & 0o077 != 0
    {
        let (folder, mode) = (path.display(), format!("{:o}", mode & 0o777));
        tracing::warn!(%folder, mode, "other users of this machine can look into the data folder; chmod -R go= it");
    }
}

/// Sets the umask so that files of this process and its children are readable by their owner only: the database's log, exports,
/// copies.
pub fn keep_private() {
    #[cfg(target_os = "linux")]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// One line for each thing in a data folder that is in the way of a start: a file or a link to nothing where a folder belongs,
/// anything but a file where a file belongs. The folder itself need not exist.
pub fn obstacles(data_dir: &Path) -> Vec<String> {
    let found = |name: &str, is_right: fn(&fs::Metadata) -> bool, kind: &str| {
        let path = if name.is_empty() { data_dir.to_owned() } else { data_dir.join(name) };
        let fault = match fs::metadata(&path) {
            Ok(metadata) if is_right(&metadata) => return None,
            Ok(_) => format!("is not {kind}; move it away"),
            // Absent. A start makes it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(&path).is_err() => {
                return None;
            }
            // Below a path that is not a folder, which has its own line.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is a link to nothing".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        Some(format!("{} {fault}", path.display()))
    };
    let folders = ["", "media", "exports", "lost+found"].map(|name| found(name, fs::Metadata::is_dir, "a folder"));
    let files = ["emberline.lock", "emberline.running", "emberline.db"]
        .map(|name| found(name, fs::Metadata::is_file, "a file"));
    folders.into_iter().chain(files).flatten().collect()
}

/// URL of the default database of a data folder.
pub fn database_url_in(data_dir: &Path) -> String {
    format!("sqlite:{}", data_dir.join("emberline.db").display())
}

/// The platform's folder for a user's data, with `emberline` in it.
pub fn default_path() -> Result<PathBuf> {
    let var = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        var("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        var("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        var("XDG_DATA_HOME").or_else(|| var("HOME").map(|home| home.join(".local/share")))
    };
    base.map(|base| base.join("emberline")).context("cannot find the user's data folder; set one with --data-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new/data");
        let first = DataDir::open(path.clone()).expect("the first takes it");
        let second = DataDir::open(path.clone()).expect_err("the second is refused");
        assert!(second.to_string().contains("another emberline"), "{second}");
        drop(first);
        DataDir::open(path).expect("free again");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_is_its_owners_alone_and_an_old_one_stays_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let new = folder.path().join("new");
        let opened = DataDir::open(new.clone()).expect("made");
        assert_eq!((mode(&new), mode(&new.join("emberline.lock"))), (0o700, 0o600));
        drop(opened);
        fs::set_permissions(&new, fs::Permissions::from_mode(0o750)).expect("set");
        DataDir::open(new.clone()).expect("opened");
        assert_eq!(mode(&new), 0o750);
    }

    #[test]
    fn what_is_in_the_way_of_a_start_is_listed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        assert_eq!(obstacles(&data), Vec::<String>::new(), "there is nothing yet");
        fs::write(&data, "a file").expect("written");
        assert_eq!(obstacles(&data), [format!("{} is not a folder; move it away", data.display())]);
        fs::remove_file(&data).expect("removed");
        for name in ["media", "exports", "lost+found"] {
            fs::create_dir_all(data.join(name)).expect("made");
        }
        fs::write(data.join("emberline.lock"), "").expect("written");
        assert_eq!(obstacles(&data), Vec::<String>::new());
        for name in ["media", "exports", "lost+found"] {
            fs::remove_dir(data.join(name)).expect("removed");
            fs::write(data.join(name), "").expect("written");
        }
        fs::create_dir(data.join("emberline.running")).expect("made");
        let found = obstacles(&data);
        for name in
            ["media is not a folder", "exports is not a folder", "lost+found is not a folder", "running is not a file"]
        {
            assert!(found.iter().any(|line| line.contains(name)), "{name}: {found:?}");
        }
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_in_the_way() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("exports")).expect("a link");
        assert_eq!(obstacles(folder.path()), [format!("{}/exports is a link to nothing", folder.path().display())]);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        fs::write(&path, "in the way").expect("written");
        let error = format!("{:#}", DataDir::open(path.clone()).expect_err("not a folder"));
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}
