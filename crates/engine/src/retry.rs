//! Retries: which errors are temporary, how they are described to users, and the delay between tries.

use ::pictures::ObjectError;
use std::{error::Error, io, time::Duration};
use store::StoreError;

/// Too many open files, in this process and on the whole machine. The numbers are the same on every Unix.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
/// I/O error.
const EIO: i32 = 5;

/// Description of disk errors. The disk may be broken for good, so some retries of them have a limit.
pub(crate) const DISK_ERRORS: &str = "the disk reports errors";

/// Description of an object store that does not answer, or refuses its credentials.
pub(crate) const STORE_AWAY: &str = "the object store does not answer";

/// Whether the error is of an object store, and passes.
fn is_store_away(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<ObjectError>()).is_some_and(ObjectError::is_passing)
}

/// What a retry of an operation on a file or thread has to wait for, in words for users. None for a permanent error.
pub(crate) fn io_waits_for(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    if is_store_away(error) {
        return Some(STORE_AWAY);
    }
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>()) {
        return error.waits_for();
    }
    match error.kind() {
        Kind::StorageFull => Some("the disk is full"),
        Kind::QuotaExceeded => Some("the disk quota is used up"),
        Kind::ReadOnlyFilesystem => Some("the disk is read-only"),
        Kind::OutOfMemory => Some("the machine is out of memory"),
        Kind::WouldBlock | Kind::ResourceBusy | Kind::Interrupted => {
            Some("the system has no room for another thread or file")
        }
        Kind::TimedOut
        | Kind::StaleNetworkFileHandle
        | Kind::NetworkDown
        | Kind::NetworkUnreachable
        | Kind::HostUnreachable
        | Kind::NotConnected => Some("the disk does not answer"),
        _ => match error.raw_os_error() {
            Some(EMFILE | ENFILE) if cfg!(unix) => Some("too many files are open"),
            Some(EIO) if cfg!(unix) => Some(DISK_ERRORS),
            _ => None,
        },
    }
}

/// What a retry of writing a picture has to wait for. More errors are temporary than in [`io_waits_for`], because a
/// finished picture would be lost: only errors about the file's name are permanent.
pub(crate) fn write_waits_for(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::IsADirectory
        | Kind::NotADirectory
        | Kind::DirectoryNotEmpty
        | Kind::AlreadyExists
        | Kind::InvalidInput
        | Kind::InvalidFilename
        | Kind::Unsupported => None,
        Kind::NotFound => Some("the folder of the pictures is missing"),
        Kind::PermissionDenied => Some("the folder of the pictures may not be written"),
        _ => Some(io_waits_for(error).unwrap_or(DISK_ERRORS)),
    }
}

/// Why a picture could not be written, in words for users.
pub fn why_unwritten(error: &io::Error) -> String {
    write_waits_for(error).map_or_else(|| error.to_string(), str::to_owned)
}

/// Why a file or an object could not be read, in words for users.
pub fn why_unread(error: &io::Error) -> String {
    io_waits_for(error).map_or_else(|| error.to_string(), str::to_owned)
}

/// As [`io_waits_for`], for the operating system's error among an error's causes.
pub(crate) fn cause_waits_for(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return io_waits_for(error);
        }
        cause = error.source();
    }
    None
}

/// Exponential backoff: 250 ms, doubled each time, up to 5 s, so that work resumes within 5 s after the error is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const FIRST: Duration = Duration::from_millis(250);
    pub(crate) const LONGEST: Duration = Duration::from_secs(5);

    pub(crate) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// The next delay.
    pub(crate) fn next(&mut self) -> Duration {
        let delay = self.0;
        self.0 = (delay * 2).min(Self::LONGEST);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn faults_of_the_machine_pass_and_faults_of_the_request_stay() {
        // The numbers of Linux' errno.h: ENOSPC, EDQUOT, EROFS, EMFILE, ENFILE, EIO, ENOMEM, EAGAIN, ESTALE.
        let passing = [
            (28, "the disk is full"),
            (122, "the disk quota is used up"),
            (30, "the disk is read-only"),
            (24, "too many files are open"),
            (23, "too many files are open"),
            (5, "the disk reports errors"),
            (12, "the machine is out of memory"),
            (11, "the system has no room for another thread or file"),
            (116, "the disk does not answer"),
        ];
        for (number, words) in passing {
            assert_eq!(
                (io_waits_for(&os(number)), write_waits_for(&os(number))),
                (Some(words), Some(words)),
                "{number}"
            );
        }
        // ENOENT, EACCES, EPERM: a model that is not there stays away, a folder may come back.
        for number in [2, 13, 1] {
            assert_eq!(io_waits_for(&os(number)), None, "{number}");
            assert!(
                write_waits_for(&os(number)).is_some_and(|words| words.contains("the folder of the pictures")),
                "{number}"
            );
        }
        // EISDIR, ENOTDIR, ENOTEMPTY, ENAMETOOLONG, EINVAL.
        for number in [21, 20, 39, 36, 22] {
            assert_eq!((io_waits_for(&os(number)), write_waits_for(&os(number))), (None, None), "{number}");
        }
        // EFBIG, a limit on the size of files.
        assert_eq!((io_waits_for(&os(27)), write_waits_for(&os(27))), (None, Some(DISK_ERRORS)));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_cause_decides_however_deep_it_lies() {
        #[derive(Debug, thiserror::Error)]
        #[error("in the way")]
        struct Wrapped(#[source] Box<dyn Error + Send + Sync>);
        let deep = Wrapped(Box::new(Wrapped(Box::new(os(24)))));
        assert_eq!(cause_waits_for(&deep), Some("too many files are open"));
        assert_eq!(cause_waits_for(&Wrapped(Box::new(os(2)))), None);
        assert_eq!(cause_waits_for(&Wrapped("no cause".into())), None);
    }

    #[test]
    fn rests_grow_up_to_five_seconds() {
        let mut backoff = Backoff::new();
        let rests: Vec<u128> = (0..7).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(rests, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
