//! Writing files of an attempt, and why one is not written.

use crate::{media::TraceUnstored, retry, slot::Slot};
use ::pictures::ObjectError;
use std::io;
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    /// The disk refused it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The object store refused it.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The row that names an object could not be written.
    #[error(transparent)]
    Database(StoreError),
    /// Another server may have taken the task up: this one could not renew its run.
    #[error("the database cannot be reached")]
    Unsure,
}

impl From<TraceUnstored> for Unwritten {
    fn from(error: TraceUnstored) -> Self {
        match error {
            TraceUnstored::Object(error) => Self::Object(error),
            TraceUnstored::Store(error) => Self::Database(error),
        }
    }
}

impl Unwritten {
    /// What a retry has to wait for; none for a permanent error.
    pub(crate) fn waits_for(&self) -> Option<&'static str> {
        match self {
            Self::Io(error) => retry::write_waits_for(error),
            // A finished picture would be lost: credentials and buckets are put right too.
            Self::Object(_) => Some(retry::STORE_AWAY),
            Self::Database(error) => error.waits_for(),
            Self::Unsure => Some("the database cannot be reached"),
        }
    }
}

/// Writes a file of an attempt. None if the attempt is over. While it is not sure that the attempt is this server's, nothing is
/// written and the error is [`Unwritten::Unsure`]: the lease may be renewed.
pub(crate) fn write_if_open<T>(slot: &Slot, write: impl FnOnce() -> io::Result<T>) -> Result<Option<T>, Unwritten> {
    match slot.if_open(write) {
        Some(written) => Ok(Some(written?)),
        None if slot.is_stopped() => Ok(None),
        None => Err(Unwritten::Unsure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::TaskId;
    use std::time::{Duration, Instant};

    #[test]
    fn a_file_waits_for_the_lease_and_an_attempt_that_is_over_writes_none() {
        let slot = Slot::new(TaskId(1), 2, "key".into());
        let (now, mut written) = (Instant::now(), Vec::new());
        let mut write = |file: u32| {
            write_if_open(&slot, || {
                written.push(file);
                Ok(file)
            })
        };
        assert_eq!(write(1).expect("no other server can have it"), Some(1));
        slot.renew(now);
        let unsure = write(2).expect_err("another server may have it");
        assert!(matches!(unsure, Unwritten::Unsure) && unsure.waits_for().is_some(), "it is tried again: {unsure}");
        slot.renew(now + Duration::from_secs(3600));
        assert_eq!(write(3).expect("renewed"), Some(3));
        slot.close();
        assert_eq!(write(4).expect("over"), None);
        slot.renew(now);
        assert_eq!(write(5).expect("over, and not unsure"), None);
        assert_eq!(written, [1, 3]);
    }
}
