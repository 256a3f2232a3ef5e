//! The places of pictures: a folder or an object store.

use super::{MoveError, PicturePlace, file_error};
use ::pictures::{IDENTITY, ObjectError, PICTURES, etag_of, picture_object};
use bytes::Bytes;
use futures::StreamExt;
use std::{io, path::PathBuf, sync::Arc};
use store::{FinalPicture, MovedTake, StoreError};
use tokio::task::spawn_blocking;

impl PicturePlace {
    /// Marks a new place, so that a later call knows its own files in it.
    pub(super) async fn claim(&self, identity: &str) -> Result<(), MoveError> {
        let used = |place: String, why: String| MoveError::Used { place, why };
        match self {
            Self::Folder(media) => {
                let folder = media.folder();
                let failed = |source| file_error(folder, source);
                media.create().map_err(failed)?;
                match media.identity().map_err(failed)? {
                    Some(there) if there == identity => Ok(()),
                    Some(_) => {
                        Err(used(folder.display().to_string(), "it has the pictures of another database".to_owned()))
                    }
                    None => match media.list().map_err(failed)?.keys.len() {
                        0 => media.identify(identity).map_err(failed),
                        pictures => Err(used(folder.display().to_string(), format!("it has {pictures} pictures"))),
                    },
                }
            }
            Self::Objects(objects) => match objects.read(IDENTITY).await {
                Ok(there) if there.trim_ascii() == identity.as_bytes() => Ok(()),
                Ok(_) => Err(used(objects.url().to_string(), "it has the pictures of another database".to_owned())),
                Err(ObjectError::Missing { .. }) => match Box::pin(objects.list(PICTURES)).next().await.transpose()? {
                    Some(object) => Err(used(objects.url().to_string(), format!("it has the object {}", object.name))),
                    None => Ok(objects.put(IDENTITY, identity.to_owned().into_bytes().into()).await?),
                },
                Err(error) => Err(error.into()),
            },
        }
    }

    /// The object that a finished picture is at this place; none where it is a file.
    pub(super) fn object_of(&self, take: &MovedTake) -> Option<String> {
        let FinalPicture { etag, object } = take.picture.as_ref()?;
        match self {
            Self::Folder(_) => None,
            Self::Objects(_) => Some(object.clone().unwrap_or_else(|| picture_object(&take.key, take.attempt, etag))),
        }
    }

    /// Reads a finished picture. None if it is missing or has other bytes.
    pub(super) async fn read(&self, key: &str, object: Option<&str>, etag: &str) -> Result<Option<Bytes>, MoveError> {
        match (self, object) {
            (Self::Objects(objects), Some(object)) => match objects.get(object, etag).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(ObjectError::Missing { .. } | ObjectError::Damaged { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
            (Self::Folder(media), _) => {
                let (media, name) = (Arc::clone(media), key.to_owned());
                match spawn_blocking(move || media.read(&name)).await.map_err(StoreError::Aborted)? {
                    Ok(bytes) => Ok(Some(Bytes::from(bytes)).filter(|bytes| etag_of(bytes) == etag)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(file_error(self.path(key), source)),
                }
            }
            (Self::Objects(_), None) => Ok(None),
        }
    }

    /// Stores a finished picture, durably.
    pub(super) async fn write(&self, key: &str, object: Option<&str>, bytes: Bytes) -> Result<(), MoveError> {
        match (self, object) {
            (Self::Objects(objects), Some(object)) => Ok(objects.put(object, bytes).await?),
            (Self::Folder(media), _) => {
                let (media, name) = (Arc::clone(media), key.to_owned());
                let written = spawn_blocking(move || media.write_final(&name, &bytes)).await;
                written.map_err(StoreError::Aborted)?.map(drop).map_err(|source| file_error(self.path(key), source))
            }
            (Self::Objects(_), None) => Ok(()),
        }
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        match self {
            Self::Folder(media) => media.path(key).unwrap_or_default(),
            Self::Objects(_) => PathBuf::new(),
        }
    }
}
