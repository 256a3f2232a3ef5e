//! Why a finished picture is not written.

use crate::retry;
use std::io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    /// The disk refused it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another server may have taken the task up: this one could not renew its run.
    #[error("the database cannot be reached")]
    Unsure,
}

impl Unwritten {
    /// What a retry has to wait for; none for a permanent error.
    pub(crate) fn waits_for(&self) -> Option<&'static str> {
        match self {
            Self::Io(error) => retry::write_waits_for(error),
            Self::Unsure => Some("the database cannot be reached"),
        }
    }
}
