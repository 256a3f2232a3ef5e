//! Files that are copied to another place, and read back there.

use super::{
    MoveError, PicturePlace,
    copied::{Copied, Kind},
    file_error,
    traces::FoundTrace,
};
use crate::Media;
use std::{io, path::PathBuf};
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
    Trace(FoundTrace),
}

impl Job {
    /// None for a preview that is not there.
    pub(super) async fn run(self, from: PicturePlace, to: PicturePlace) -> Result<Option<Copied>, CopyError> {
        match (self, from, to) {
            (Self::Picture { key, picture, target }, from, to) => {
                picture_copied(&from, &to, key, &picture, target.as_deref()).await.map(Some)
            }
            (Self::Trace(found), from, to) => Ok(Some(found.copied(&from, &to).await?)),
            (Self::Preview(key), PicturePlace::Folder(from), PicturePlace::Folder(to)) => {
                spawn_blocking(move || preview(&from, &to, &key)).await.map_err(StoreError::Aborted)?
            }
            (Self::Preview(_), ..) => Ok(None),
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
        return Ok(Copied::new(Kind::Picture, None));
    }
    let Some(bytes) = from.read(&key, object.as_deref(), etag).await? else { return Err(CopyError::Damaged(key)) };
    let length = bytes.len() as u64;
    to.write(&key, target, bytes).await?;
    match to.read(&key, target, etag).await? {
        Some(_) => Ok(Copied::new(Kind::Picture, Some(length))),
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
    Ok(Some(Copied::new(Kind::Preview, Some(bytes.len() as u64))))
}
