//! Finished pictures as objects of an object store.

use super::{Media, OpenPicture, PictureBytes};
use ::pictures::{ObjectError, Opened, Pictures, etag_of, picture_object};
use bytes::Bytes;
use std::{
    collections::HashMap,
    io::{self, Cursor, Read},
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};
use store::{FinalPicture, WeakStore};
use tokio::runtime::Handle;

/// Finished pictures whose objects are remembered by key, so that their addresses need no database.
const REMEMBERED: usize = 4096;

/// The objects, and which of them are known by key.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) pictures: Pictures,
    /// For calls of threads that may block.
    pub(super) runtime: Handle,
    /// The rows that name traces and saved states.
    pub(super) rows: OnceLock<WeakStore>,
    by_key: Mutex<HashMap<String, FinalPicture>>,
}

impl Media {
    /// Finished pictures, traces and saved states are objects. The folder is of this process alone. Call it in an async runtime.
    pub fn of_objects(folder: &Path, pictures: Pictures) -> Self {
        let (rows, by_key) = Default::default();
        let media =
            Self { objects: Some(Objects { pictures, runtime: Handle::current(), rows, by_key }), ..Self::at(folder) };
        media.remove_forming_traces();
        media
    }

    /// The objects; none where pictures are files.
    pub fn pictures(&self) -> Option<&Pictures> {
        self.objects.as_ref().map(|objects| &objects.pictures)
    }

    /// Stores a picture that is final: as the file of its key, or as an object. Durable when this returns. Blocks.
    ///
    /// # Errors
    /// A full disk, or an object store that is away.
    pub fn store_final(&self, key: &str, attempt: u32, png: Vec<u8>) -> io::Result<FinalPicture> {
        match &self.objects {
            None => self.write_final(key, &png).map(FinalPicture::from),
            Some(objects) => Ok(objects.runtime.block_on(objects.put(key, attempt, png.into()))?),
        }
    }

    /// Stores a picture of an attempt as an object. None where pictures are files.
    pub(crate) async fn put_final(
        &self,
        key: &str,
        attempt: u32,
        png: Bytes,
    ) -> Option<Result<FinalPicture, ObjectError>> {
        Some(self.objects.as_ref()?.put(key, attempt, png).await)
    }

    /// Reads a picture that is final. Blocks.
    ///
    /// # Errors
    /// `NotFound` for a file that is missing; else a file, or an object, that cannot be read.
    pub fn read_final(&self, key: &str, picture: &FinalPicture) -> io::Result<Vec<u8>> {
        let (Some(objects), Some(object)) = (&self.objects, &picture.object) else { return self.read(key) };
        let mut open = opened(objects.runtime.block_on(objects.pictures.get(object, &picture.etag))?, picture);
        let mut bytes = Vec::new();
        open.bytes.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Opens a picture that is an object: from the cache, or fetched. None if it is a file.
    pub(crate) async fn open_object(
        &self,
        key: &str,
        picture: FinalPicture,
    ) -> Result<Option<OpenPicture>, ObjectError> {
        let (Some(objects), Some(object)) = (&self.objects, &picture.object) else { return Ok(None) };
        let open = opened(objects.pictures.get(object, &picture.etag).await?, &picture);
        objects.remember(key, picture);
        Ok(Some(open))
    }

    /// The final picture of this key, if it is known to be an object. A final picture is never replaced.
    pub(crate) fn known_object(&self, key: &str) -> Option<FinalPicture> {
        let by_key = self.objects.as_ref()?.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        by_key.get(key).cloned()
    }

    /// Forgets which object the picture of a deleted take is.
    pub(super) fn forget(&self, key: &str) {
        if let Some(objects) = &self.objects {
            objects.by_key.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
    }
}

impl Objects {
    async fn put(&self, key: &str, attempt: u32, png: Bytes) -> Result<FinalPicture, ObjectError> {
        let etag = etag_of(&png);
        let object = picture_object(key, attempt, &etag);
        self.pictures.put(&object, &etag, png).await?;
        Ok(FinalPicture { etag, object: Some(object) })
    }

    fn remember(&self, key: &str, picture: FinalPicture) {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if by_key.len() >= REMEMBERED {
            by_key.clear();
        }
        by_key.insert(key.to_owned(), picture);
    }
}

fn opened(opened: Opened, picture: &FinalPicture) -> OpenPicture {
    let (bytes, length) = match opened {
        Opened::File(file, length) => (PictureBytes::File(file), length),
        Opened::Memory(png) => (PictureBytes::Memory(Cursor::new(png.to_vec().into())), png.len() as u64),
    };
    OpenPicture { bytes, length, etag: picture.etag.clone(), formed: None }
}
