//! Creating and replacing files.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Options that create files which only the server's user can read, whatever the umask.
pub(super) fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates a file in place of anything but a folder: opening a named pipe of this name would block.
pub(super) fn create_replacing(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => private().create_new(true).open(path),
    }
}

/// Exchanges the names of two files atomically. Returns false if `other` is not a file, or the system does not support it.
///
/// ext4 flushes a file at once when it is renamed over another one: 0.11 ms for a preview instead of 0.03 ms, and a step on
/// all cores waits for it.
#[cfg(target_os = "linux")]
pub(super) fn exchange(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    // A folder could be exchanged as well.
    let is_file = fs::symlink_metadata(other).is_ok_and(|other| other.is_file());
    is_file && renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn exchange(_: &Path, _: &Path) -> bool {
    false
}
