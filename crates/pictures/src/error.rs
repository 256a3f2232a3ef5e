//! Why an object cannot be read or stored.

use std::{error::Error, io, path::PathBuf, sync::Arc};

/// Characters of an error's text that are kept: a store's answer can be a long document.
const MOST_CHARS: usize = 300;

/// Why an object cannot be read or stored. The messages name the bucket and the key, and no credentials.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObjectError {
    /// The store has no such object.
    #[error("the object {object} is missing")]
    Missing {
        /// Its address.
        object: String,
    },
    /// The store has other bytes than those that were stored.
    #[error("the object {object} is damaged: its bytes are not those that were stored")]
    Damaged {
        /// Its address.
        object: String,
    },
    /// The store cannot be reached, or has failed.
    #[error("the object store does not answer ({object}): {why}")]
    Away {
        /// The object's address.
        object: String,
        /// What happened.
        why: String,
    },
    /// The store refuses the request: the bucket, the credentials, or what they may do.
    #[error("the object store refuses the request ({object}): {why}")]
    Refused {
        /// The object's address.
        object: String,
        /// The store's words.
        why: String,
    },
    /// The variables that describe the store are wrong.
    #[error(
        "the object store {url} cannot be used: {why}; its credentials, region and endpoint are those of the variables AWS_…"
    )]
    Setup {
        /// Its address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A folder for cached or waiting pictures cannot be used.
    #[error("the folder {folder} cannot be used: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: Arc<io::Error>,
    },
}

impl ObjectError {
    /// Whether a later try may succeed without a change of the object: the store is away, or refuses its credentials.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Refused { .. })
    }

    /// The error of a call about `object`. `is_read`: the object should be there.
    pub(crate) fn of(object: String, error: &object_store::Error, is_read: bool) -> Self {
        use object_store::Error as Store;
        let why = words(error);
        match error {
            Store::NotFound { .. } if is_read && !why.contains("NoSuchBucket") => Self::Missing { object },
            Store::NotFound { .. } | Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
                Self::Refused { object, why }
            }
            _ => Self::Away { object, why },
        }
    }

    pub(crate) fn folder(folder: &std::path::Path, source: io::Error) -> Self {
        Self::Folder { folder: folder.to_owned(), source: Arc::new(source) }
    }
}

impl From<ObjectError> for io::Error {
    /// The kind says whether a later try may succeed: `HostUnreachable` if it may.
    fn from(error: ObjectError) -> Self {
        let kind = match &error {
            ObjectError::Missing { .. } => io::ErrorKind::NotFound,
            ObjectError::Damaged { .. } => io::ErrorKind::InvalidData,
            ObjectError::Away { .. } | ObjectError::Refused { .. } => io::ErrorKind::HostUnreachable,
            ObjectError::Setup { .. } => io::ErrorKind::Other,
            ObjectError::Folder { source, .. } => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// An error and its causes, in one line.
fn words(error: &object_store::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        cause = error.source();
    }
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MOST_CHARS).collect()
}
