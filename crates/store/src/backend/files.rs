//! The files of a SQLite database: owner's lock, permissions, and the copy before a migration.

use crate::{OpenFault, StoreError};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// Number of copies from before migrations that are kept.
const COPIES: usize = 2;

/// `<file><suffix>` beside the file.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The path of the write-ahead log.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Options that create files which only the server's own user can read, whatever the umask.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Locks `<file>.lock`. The file stays; the operating system releases the lock when the process ends.
pub(crate) fn own(database: &str, path: &Path) -> Result<File, StoreError> {
    // Resolved, so that all links to one file share one lock.
    let resolved = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let lock_path = beside(&resolved, ".lock");
    let failed = |source| {
        let fault = OpenFault::File { path: lock_path.display().to_string(), source };
        StoreError::Open { database: database.to_owned(), fault }
    };
    let opened = private().create(true).truncate(false).open(&lock_path);
    let lock = opened.map_err(|error| match folder_fault(path) {
        Some(fault) => StoreError::Open { database: database.to_owned(), fault },
        None => failed(error),
    })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Owned { database: database.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Creates an empty file for the database that only the server's user can read. SQLite gives its log the same
/// permissions. Errors are ignored: SQLite reports them when it opens the file.
pub(crate) fn create(path: &Path) {
    drop(private().create_new(true).open(path));
}

/// The fault of a file that is missing or empty while its log holds changes. SQLite would delete that log.
pub(crate) fn log_alone(path: &Path) -> Option<OpenFault> {
    let log = log_of(path);
    if length(path) > 0 || length(&log) == 0 {
        return None;
    }
    let what = if path.exists() { "empty" } else { "missing" };
    Some(OpenFault::LogAlone(what, log.display().to_string()))
}

/// Copies the database to `<file>.before-<version>` before a migration, and removes all but the newest two copies. Call
/// it outside a transaction.
pub(crate) fn copy_before(connection: &mut SqliteConnection, path: &Path, version: &str) -> Result<(), OpenFault> {
    let copy = beside(path, &format!(".before-{version}"));
    let unfinished = beside(&copy, ".tmp");
    if let Some((needed, free)) = missing_space(path) {
        return Err(OpenFault::NoRoom { needed_mib: needed.div_ceil(1 << 20), free_mib: free >> 20 });
    }
    let copied = (|| {
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        create(&unfinished);
        let name = unfinished.display().to_string().replace('\'', "''");
        connection.batch_execute(&format!("VACUUM INTO '{name}'")).map_err(|error| error.to_string())?;
        let sync = || {
            File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, &copy)
        };
        sync().map_err(|error| error.to_string())
    })();
    if let Err(why) = copied {
        fs::remove_file(&unfinished).ok();
        return Err(OpenFault::Copy { path: copy.display().to_string(), why });
    }
    tracing::info!(copy = %copy.display(), "the database was copied before its tables change");
    remove_old_copies(path);
    Ok(())
}

/// The copy's largest size and the free space, in bytes, if the copy does not fit.
fn missing_space(path: &Path) -> Option<(u64, u64)> {
    let needed = length(path) + length(&log_of(path));
    free_space(path.parent()?).filter(|free| *free < needed).map(|free| (needed, free))
}

#[cfg(target_os = "linux")]
fn free_space(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(target_os = "linux"))]
fn free_space(_: &Path) -> Option<u64> {
    None
}

/// Removes all but the newest copies. Versions are timestamps, so they sort by name.
fn remove_old_copies(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let prefix = format!("{}.before-", name.to_string_lossy());
    let is_copy = |name: &str| {
        let version = name.strip_prefix(&prefix);
        version.is_some_and(|version| !version.is_empty() && version.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let Ok(entries) = fs::read_dir(folder) else { return };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut copies: Vec<String> = names.filter(|name| is_copy(name)).collect();
    copies.sort_unstable();
    for old in copies.iter().rev().skip(COPIES) {
        if let Err(error) = fs::remove_file(folder.join(old)) {
            tracing::warn!(copy = old, %error, "an old copy of the database could not be removed");
        }
    }
}

pub(crate) fn file_fault(path: &Path, source: io::Error) -> OpenFault {
    OpenFault::File { path: path.display().to_string(), source }
}

/// The fault of the file's folder, if it is missing or not a folder.
pub(crate) fn folder_fault(path: &Path) -> Option<OpenFault> {
    let folder = path.parent().unwrap_or(path);
    match fs::metadata(folder) {
        Err(source) => Some(file_fault(folder, source)),
        Ok(metadata) if !metadata.is_dir() => Some(file_fault(folder, io::ErrorKind::NotADirectory.into())),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_two_copies_stay_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("emberline.db");
        let others = ["emberline.db", "emberline.db.before-", "emberline.db.before-mine", "other.db.before-1"];
        let copies = ["20251101000000", "20261101000000", "20261122120000", "20261201000000"];
        let copies = copies.map(|version| format!("emberline.db.before-{version}"));
        for name in others.iter().copied().chain(copies.iter().map(String::as_str)) {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        remove_old_copies(&path);
        let left: Vec<bool> = copies.iter().map(|name| folder.path().join(name).exists()).collect();
        assert_eq!(left, [false, false, true, true]);
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
    }
}
