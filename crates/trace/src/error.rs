//! Why a trace cannot be read.

use std::io;

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the trace cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is something else.
    #[error("the file is not a trace")]
    NotATrace,
    /// Another version of the format.
    #[error("the trace has format {found}, and this version reads format {}", crate::record::VERSION)]
    Version {
        /// The file's version.
        found: u32,
    },
    /// The first record is missing or not a header.
    #[error("the trace has no usable header: {0}")]
    Header(String),
    /// A record's content does not match its checksum, or is not what its kind says.
    #[error("the record of step {step} is damaged: {what}")]
    Damaged {
        /// The record's step.
        step: u32,
        /// What is wrong.
        what: &'static str,
    },
}
