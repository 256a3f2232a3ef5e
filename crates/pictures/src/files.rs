//! Files as objects: exports, which can be larger than the memory. They are sent and got in parts.

use crate::{ObjectError, Objects, etag_of_reader};
use object_store::{MultipartUpload, ObjectStoreExt};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tokio::task::spawn_blocking;

/// Bytes of a part. S3 takes 10,000 parts of 5 MiB at least; each is one request, within the time of one.
const PART_BYTES: u64 = 16 << 20;

impl Objects {
    /// Stores a file as an object. When this returns it is durable.
    ///
    /// # Errors
    /// The store is away or refuses it; [`ObjectError::Folder`] for a file that cannot be read.
    pub async fn put_file(&self, name: &str, path: &Path) -> Result<(), ObjectError> {
        let (mut file, first) = part(File::open(path), path).await?;
        if (first.len() as u64) < PART_BYTES {
            return self.put(name, first.into()).await;
        }
        let mut upload = self.asked("put", name, false, self.store().put_multipart(&self.path(name))).await?;
        let mut next = first;
        let sent = loop {
            if next.is_empty() {
                break self.asked("put", name, false, upload.complete()).await.map(drop);
            }
            if let Err(error) = self.asked("put", name, false, upload.put_part(next.into())).await {
                break Err(error);
            }
            (file, next) = match part(Ok(file), path).await {
                Ok(read) => read,
                Err(error) => break Err(error),
            };
        };
        if sent.is_err() {
            upload.abort().await.ok();
        }
        sent
    }

    /// Writes an object with this ETag and length to a file, which has its name only when it is whole.
    ///
    /// # Errors
    /// As [`Objects::get`]; [`ObjectError::Folder`] for a file that cannot be written.
    pub async fn get_file(&self, name: &str, etag: &str, bytes: u64, path: &Path) -> Result<(), ObjectError> {
        let unfinished = path.with_extension("part");
        let got = self.get_parts(name, etag, bytes, &unfinished).await;
        let got = got.and_then(|()| fs::rename(&unfinished, path).map_err(|error| ObjectError::folder(path, error)));
        if got.is_err() {
            fs::remove_file(&unfinished).ok();
        }
        got
    }

    async fn get_parts(&self, name: &str, etag: &str, bytes: u64, path: &Path) -> Result<(), ObjectError> {
        let failed = |error| ObjectError::folder(path, error);
        let mut file = File::create(path).map_err(failed)?;
        let mut at = 0;
        while at < bytes {
            let range = at..bytes.min(at + PART_BYTES);
            at = range.end;
            let store = self.store();
            let part = self.asked("get", name, true, async { store.get_range(&self.path(name), range).await }).await?;
            file = spawn_blocking(move || file.write_all(&part).map(|()| file))
                .await
                .map_err(io::Error::other)
                .flatten()
                .map_err(failed)?;
        }
        drop(file);
        let read = path.to_owned();
        let found = spawn_blocking(move || etag_of_reader(File::open(read)?)).await.map_err(io::Error::other).flatten();
        match found.map_err(failed)? == etag {
            true => Ok(()),
            false => Err(ObjectError::Damaged { object: self.url().of(name) }),
        }
    }
}

/// The next part of a file; empty at its end.
async fn part(file: io::Result<File>, path: &Path) -> Result<(File, Vec<u8>), ObjectError> {
    let path: PathBuf = path.to_owned();
    let read = spawn_blocking(move || -> io::Result<(File, Vec<u8>)> {
        let mut file = file?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(PART_BYTES).read_to_end(&mut bytes)?;
        Ok((file, bytes))
    });
    read.await.map_err(io::Error::other).flatten().map_err(|error| ObjectError::folder(&path, error))
}
