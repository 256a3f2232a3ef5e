//! Files that are copied to another place, and read back there.

use super::{MoveError, PicturePlace, file_error};
use crate::Media;
use ::pictures::etag_of_reader;
use std::{
    io::{self, Seek},
    path::{Path, PathBuf},
};
use store::{FinalPicture, StoreError};
use tokio::task::spawn_blocking;

/// Why a file was not copied.
pub(super) enum CopyError {
    /// Key of a picture that is missing or has another hash.
    Damaged(String),
    Failed(MoveError),
}

impl<E: Into<MoveError>> From<E> for CopyError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A file that was copied, or was there.
#[derive(Clone, Copy)]
pub(super) struct Copied {
    pub(super) kind: Kind,
    /// None if it was there.
    pub(super) bytes: Option<u64>,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Picture,
    Preview,
    Trace,
}

/// A file that is to be copied.
pub(super) enum Job {
    /// A finished picture.
    Picture {
        key: String,
        picture: FinalPicture,
        /// The object that it becomes; none for a file.
        target: Option<String>,
    },
    /// The preview of a picture that is not finished.
    Preview(String),
    /// A trace or a saved state.
    Trace(String, &'static str),
}

impl Job {
    /// None for a preview that is not there.
    pub(super) async fn run(self, from: PicturePlace, to: PicturePlace) -> Result<Option<Copied>, CopyError> {
        match (self, from, to) {
            (Self::Picture { key, picture, target }, from, to) => {
                picture_copied(&from, &to, key, &picture, target.as_deref()).await.map(Some)
            }
            (job, PicturePlace::Folder(from), PicturePlace::Folder(to)) => spawn_blocking(move || match job {
                Self::Preview(key) => preview(&from, &to, &key),
                Self::Trace(key, kind) => trace(&from, &to, &key, kind).map(Some),
                Self::Picture { .. } => Ok(None),
            })
            .await
            .map_err(StoreError::Aborted)?,
            _ => Ok(None),
        }
    }
}

/// Copies a finished picture and reads it back. One that is there already is only read.
async fn picture_copied(
    from: &PicturePlace,
    to: &PicturePlace,
    key: String,
    picture: &FinalPicture,
    target: Option<&str>,
) -> Result<Copied, CopyError> {
    let FinalPicture { etag, object } = picture;
    if to.read(&key, target, etag).await?.is_some() {
        return Ok(Copied { kind: Kind::Picture, bytes: None });
    }
    let Some(bytes) = from.read(&key, object.as_deref(), etag).await? else { return Err(CopyError::Damaged(key)) };
    let length = bytes.len() as u64;
    to.write(&key, target, bytes).await?;
    match to.read(&key, target, etag).await? {
        Some(_) => Ok(Copied { kind: Kind::Picture, bytes: Some(length) }),
        None => {
            let path = target.map_or_else(|| to.path(&key), PathBuf::from);
            Err(file_error(path, io::Error::other("what was written cannot be read back")).into())
        }
    }
}

fn preview(from: &Media, to: &Media, key: &str) -> Result<Option<Copied>, CopyError> {
    let failed = |media: &Media, source| file_error(media.path(key).unwrap_or_default(), source);
    let bytes = match from.read(key) {
        Ok(bytes) => bytes,
        // The next start makes it.
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(from, source).into()),
    };
    to.write_preview(key, &bytes).map_err(|source| failed(to, source))?;
    Ok(Some(Copied { kind: Kind::Preview, bytes: Some(bytes.len() as u64) }))
}

/// Copies a trace or a saved state with the time of its last change, by which the oldest are removed. Records have checksums,
/// so a file of the same length and time is not read again.
fn trace(from: &Media, to: &Media, key: &str, extension: &str) -> Result<Copied, CopyError> {
    let path = |media: &Media| media.trace_path(key).map(|path| path.with_extension(extension)).unwrap_or_default();
    let (source, target) = (path(from), path(to));
    let copied = copy_trace(to, key, &source, &target).map_err(|error| file_error(source, error))?;
    Ok(Copied { kind: Kind::Trace, bytes: copied })
}

fn copy_trace(to: &Media, key: &str, source: &Path, target: &Path) -> io::Result<Option<u64>> {
    let mut file = regular_file::open(source)?;
    let metadata = file.metadata()?;
    if let Ok(there) = std::fs::metadata(target)
        && (there.len(), there.modified()?) == (metadata.len(), metadata.modified()?)
    {
        return Ok(None);
    }
    to.write_beside(key, target, |mut copy| {
        io::copy(&mut file, &mut copy)?;
        copy.set_modified(metadata.modified()?)?;
        copy.sync_all()
    })?;
    file.rewind()?;
    match etag_of_reader(&file)? == etag_of_reader(&regular_file::open(target)?)? {
        true => Ok(Some(metadata.len())),
        false => Err(io::Error::other("what was written cannot be read back")),
    }
}
