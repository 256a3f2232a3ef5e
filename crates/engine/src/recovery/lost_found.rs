//! `lost+found`: recovery moves files and rows there instead of deleting them.
//!
//! Each start that moves anything creates one folder, named by its time. It holds the pictures and a JSON file that lists
//! them, with the rows of missing pictures. Nothing is removed before the list is synced. What cannot be moved stays in its
//! place.

use crate::Media;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use store::TakeRecord;
use time::OffsetDateTime;

/// Name of the list in each folder.
const LIST: &str = "contents.json";

/// How long the folders are kept: as long as a deletion can be undone.
pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The folder `lost+found`.
#[derive(Clone, Debug)]
pub struct LostFound {
    folder: PathBuf,
}

/// The list of one start, as JSON.
#[derive(Debug, serde::Serialize)]
struct Contents<'a> {
    /// Explains the file to its reader.
    about: &'static str,
    /// RFC 3339 in UTC.
    at: String,
    /// Keys of pictures without a row, which are in this folder now.
    pictures_without_a_row: &'a [String],
    /// Rows of finished takes whose pictures were missing. The database has deleted them.
    rows_without_a_picture: &'a [TakeRecord],
}

const ABOUT: &str = "What did not fit together when Emberline started. Pictures carry their own parameters and can be \
                     imported. Rows are of takes whose picture <take.key>.png was missing. Kept for 30 days.";

impl LostFound {
    /// Refers to the folder, which is created when needed.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder's path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Creates the folder of this start with its synced list. Moves nothing. Returns the folder's path.
    ///
    /// # Errors
    /// A folder that cannot be created or written.
    pub(crate) fn begin(&self, pictures: &[String], rows: &[TakeRecord]) -> io::Result<PathBuf> {
        let now = OffsetDateTime::now_utc();
        // No colons, which Windows does not allow in names.
        let (hour, minute, second) = now.to_hms();
        let name = format!("{}T{hour:02}-{minute:02}-{second:02}Z", now.date());
        private_folder(&self.folder)?;
        let folder = (1..=1000)
            .map(|n| self.folder.join(if n == 1 { name.clone() } else { format!("{name}-{n}") }))
            .find_map(|folder| match private_new_folder(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                Err(error) => Some(Err(error)),
                Ok(()) => Some(Ok(folder)),
            })
            .unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))?;
        let listed = self.write_list(&folder, now, pictures, rows);
        if listed.is_err() {
            // On a full disk each start would leave a folder without a list, which is never removed.
            fs::remove_file(folder.join(LIST)).ok();
            fs::remove_dir(&folder).ok();
        }
        listed.map(|()| folder)
    }

    fn write_list(
        &self,
        folder: &Path,
        now: OffsetDateTime,
        pictures: &[String],
        rows: &[TakeRecord],
    ) -> io::Result<()> {
        let at = now.format(&time::format_description::well_known::Rfc3339).map_err(io::Error::other)?;
        let contents = Contents { about: ABOUT, at, pictures_without_a_row: pictures, rows_without_a_picture: rows };
        let mut file = File::create_new(folder.join(LIST))?;
        serde_json::to_writer_pretty(&mut file, &contents)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        sync_folder(folder)?;
        sync_folder(&self.folder)
    }

    /// Removes folders that are older than `age`. Returns how many were removed. A folder that cannot be removed does not
    /// keep the others.
    ///
    /// Only folders with a list are removed: the file system's own `lost+found` may be the same folder.
    ///
    /// # Errors
    /// The folder `lost+found` cannot be read, or the first folder that could not be removed.
    pub fn purge(&self, age: Duration) -> io::Result<usize> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let (mut gone, mut failed) = (0, None);
        for entry in entries {
            let folder = entry?.path();
            // Never modified after it is written, so its time is the time of the start.
            let Ok(modified) = fs::metadata(folder.join(LIST)).and_then(|list| list.modified()) else { continue };
            if SystemTime::now().duration_since(modified).is_ok_and(|old| old >= age) {
                match fs::remove_dir_all(&folder) {
                    Ok(()) => gone += 1,
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        failed.map_or(Ok(gone), Err)
    }
}

/// Moves a picture to the folder of this start. Across disks, copies it, syncs the copy and removes the original.
///
/// # Errors
/// A picture that could not be moved. It stays in its place.
pub(crate) fn move_picture(media: &Media, key: &str, folder: &Path) -> io::Result<()> {
    move_file(&media.path(key)?, &folder.join(format!("{key}.png")), folder)
}

/// As [`move_picture`], for a trace and a saved state. A missing one is not an error.
///
/// # Errors
/// A trace or a state that could not be moved. It stays in its place.
pub(crate) fn move_trace(media: &Media, key: &str, folder: &Path) -> io::Result<()> {
    for (from, kind) in [(media.trace_path(key)?, "trace"), (media.state_path(key)?, "state")] {
        match move_file(&from, &folder.join(format!("{key}.{kind}")), folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved?,
        }
    }
    Ok(())
}

fn move_file(from: &Path, to: &Path, folder: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let copied = copy_synced(from, to);
            if copied.is_err() {
                fs::remove_file(to).ok();
            }
            copied?;
            sync_folder(folder)?;
            fs::remove_file(from)
        }
        moved => moved,
    }
}

/// Copies a regular file and syncs the copy.
fn copy_synced(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut copy) = (regular_file::open(from)?, File::create(to)?);
    io::copy(&mut from, &mut copy)?;
    copy.set_permissions(from.metadata()?.permissions())?;
    copy.sync_all()
}

fn private_folder(path: &Path) -> io::Result<()> {
    match private_new_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn private_new_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_key;

    #[test]
    fn a_picture_is_listed_and_moved_and_two_starts_in_one_second_have_two_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let media = Media::open(&folder.path().join("media")).expect("made");
        let lost = LostFound::at(folder.path().join("lost+found"));
        let key = new_key();
        media.write_final(&key, b"a picture").expect("written");
        let first = lost.begin(std::slice::from_ref(&key), &[]).expect("begun");
        assert!(media.read(&key).is_ok(), "nothing is moved before it is listed");
        move_picture(&media, &key, &first).expect("moved");
        assert_eq!(fs::read(first.join(format!("{key}.png"))).expect("there"), b"a picture");
        assert!(media.read(&key).is_err());
        let list: serde_json::Value =
            serde_json::from_slice(&fs::read(first.join(LIST)).expect("a list")).expect("JSON");
        assert_eq!(list["pictures_without_a_row"], serde_json::json!([key]));
        assert_ne!(lost.begin(&[], &[]).expect("begun"), first);
    }

    /// A mounted tmpfs, unmounted on drop.
    #[cfg(target_os = "linux")]
    struct SmallDisk(PathBuf);

    #[cfg(target_os = "linux")]
    impl SmallDisk {
        /// None if this process may not mount: it takes root.
        fn mount(at: &Path, options: &str) -> Option<Self> {
            let mut mount = std::process::Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", options, "emberline-lost"]).arg(at).stderr(std::process::Stdio::null());
            let is_mounted = mount.status().is_ok_and(|status| status.success());
            if !is_mounted {
                println!("SKIPPED: a file system cannot be mounted here (it takes root)");
            }
            is_mounted.then(|| Self(at.to_owned()))
        }
    }

    #[cfg(target_os = "linux")]
    impl Drop for SmallDisk {
        fn drop(&mut self) {
            std::process::Command::new("umount").arg("--lazy").arg(&self.0).status().ok();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_list_that_a_full_disk_does_not_take_leaves_no_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        // Inodes for the root and one folder, not for the list in it.
        let Some(disk) = SmallDisk::mount(folder.path(), "nr_inodes=2,size=1m") else { return };
        let lost = LostFound::at(disk.0.clone());
        let error = lost.begin(&[new_key()], &[]).expect_err("no room");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        assert_eq!(fs::read_dir(lost.folder()).expect("readable").count(), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_cannot_be_removed_does_not_keep_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let lost = LostFound::at(folder.path().join("lost+found"));
        let old: Vec<_> = (0..3).map(|_| lost.begin(&[], &[]).expect("begun")).collect();
        // A mounted file system is busy.
        let busy = old[1].join("busy");
        fs::create_dir(&busy).expect("made");
        let Some(_disk) = SmallDisk::mount(&busy, "size=1m") else { return };
        lost.purge(Duration::ZERO).expect_err("one is busy");
        assert_eq!(old.iter().map(|folder| folder.exists()).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn only_what_is_ours_and_old_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let lost = LostFound::at(folder.path().join("lost+found"));
        assert_eq!(lost.purge(Duration::ZERO).expect("nothing is there"), 0);
        let (old, new) = (lost.begin(&[], &[]).expect("begun"), lost.begin(&[], &[]).expect("begun"));
        let of_the_disk = lost.folder().join("#12345");
        fs::create_dir(&of_the_disk).expect("made");
        let long_ago = SystemTime::now() - KEPT_FOR - Duration::from_secs(1);
        File::options().write(true).open(old.join(LIST)).expect("open").set_modified(long_ago).expect("set");
        assert_eq!(lost.purge(KEPT_FOR).expect("purged"), 1);
        assert!(!old.exists() && new.exists() && of_the_disk.exists());
    }

    /// Opening a named pipe blocks until a program writes to it.
    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_copied() {
        let folder = tempfile::tempdir().expect("a folder");
        let [pipe, copy] = ["pipe", "copy"].map(|name| folder.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        assert_eq!(copy_synced(&pipe, &copy).expect_err("refused").kind(), io::ErrorKind::InvalidInput);
        assert!(!copy.exists());
    }
}
