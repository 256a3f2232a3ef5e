//! Traces and saved states that are copied to another place. Their records have checksums, so what is damaged is found when it is
//! read; here the bytes only stay the same.

use super::{
    Installation, MoveError, PicturePlace,
    copied::{Copied, Kind},
    file_error,
};
use crate::Media;
use ::pictures::{ObjectError, Objects, etag_in, etag_of, etag_of_reader, trace_object};
use bytes::Bytes;
use std::{
    collections::HashMap,
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::{ListedTrace, MovedTake, MovedTrace, StoreError, TraceKind, TraceObject};
use tokio::task::spawn_blocking;
use trace::Trace;

/// A trace or a saved state at the old place.
pub(super) struct FoundTrace {
    key: String,
    kind: TraceKind,
    /// The last attempt at its take.
    attempt: u32,
    /// When it was last changed: the oldest are removed first.
    modified: SystemTime,
    /// Its object, and the steps that are done; none of a file.
    object: Option<(String, u32)>,
}

/// The traces and saved states of these takes.
pub(super) async fn found(of: &Installation, takes: &[MovedTake]) -> Result<Vec<FoundTrace>, MoveError> {
    let attempts: HashMap<&str, u32> = takes.iter().map(|take| (take.key.as_str(), take.attempt)).collect();
    let found = |key: String, kind, modified, object| {
        let attempt = *attempts.get(key.as_str())?;
        Some(FoundTrace { key, kind, attempt, modified, object })
    };
    match &of.pictures {
        PicturePlace::Folder(media) => {
            let listing = media.list_traces().map_err(|source| file_error(media.traces_folder(), source))?;
            let kinds = [(listing.traces, TraceKind::Trace), (listing.states, TraceKind::State)];
            let files = kinds.into_iter().flat_map(|(files, kind)| files.into_iter().map(move |file| (file, kind)));
            Ok(files.filter_map(|(file, kind)| found(file.key, kind, file.modified, None)).collect())
        }
        PicturePlace::Objects(_) => {
            let listed = of.store.list_trace_objects().await?.into_iter();
            let listed = listed.filter_map(
                |ListedTrace { of: TraceObject { key, kind, object, step, .. }, created_at, .. }| {
                    let modified = UNIX_EPOCH + Duration::from_millis(u64::try_from(created_at).unwrap_or_default());
                    found(key, kind, modified, Some((object, step)))
                },
            );
            Ok(listed.collect())
        }
    }
}

impl FoundTrace {
    /// Copies it and reads it back. One that is there already is not copied.
    pub(super) async fn copied(self, from: &PicturePlace, to: &PicturePlace) -> Result<Copied, MoveError> {
        match (from, to) {
            (PicturePlace::Folder(from), PicturePlace::Folder(to)) => {
                let (from, to) = (Arc::clone(from), Arc::clone(to));
                spawn_blocking(move || {
                    let (source, target) = (self.path(&from), self.path(&to));
                    let copied = copy_file(&to, &self.key, &source, &target);
                    copied.map(|bytes| Copied::new(Kind::Trace, bytes)).map_err(|error| file_error(source, error))
                })
                .await
                .map_err(StoreError::Aborted)?
            }
            (from, to) => {
                let Some((bytes, step)) = self.read(from).await? else {
                    return Ok(Copied::new(Kind::LostTrace, Some(0)));
                };
                match to {
                    PicturePlace::Folder(media) => self.write_file(media, bytes).await,
                    PicturePlace::Objects(objects) => self.put(objects, bytes, step).await,
                }
            }
        }
    }

    /// Its bytes, and the steps that are done. None if it is missing or damaged.
    async fn read(&self, from: &PicturePlace) -> Result<Option<(Bytes, u32)>, MoveError> {
        match (from, &self.object) {
            (PicturePlace::Objects(objects), Some((object, step))) => {
                match objects.get(object, etag_in(object).unwrap_or_default()).await {
                    Ok(bytes) => Ok(Some((bytes, *step))),
                    Err(ObjectError::Missing { .. } | ObjectError::Damaged { .. }) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
            (PicturePlace::Folder(media), _) => {
                let (path, kind) = (self.path(media), self.kind);
                let read = path.clone();
                let bytes = spawn_blocking(move || std::fs::read(read)).await.map_err(StoreError::Aborted)?;
                let bytes = Bytes::from(bytes.map_err(|source| file_error(path, source))?);
                let step = last_step(&bytes, kind);
                Ok(step.map(|step| (bytes, step)))
            }
            _ => Ok(None),
        }
    }

    async fn write_file(self, media: &Arc<Media>, bytes: Bytes) -> Result<Copied, MoveError> {
        let (media, path, length) = (Arc::clone(media), self.path(media), bytes.len() as u64);
        let target = path.clone();
        let written = spawn_blocking(move || -> io::Result<()> {
            media.write_beside(&self.key, &target, |mut file| {
                file.write_all(&bytes)?;
                file.set_modified(self.modified)?;
                file.sync_all()
            })?;
            is_same(etag_of(&bytes) == etag_of_reader(&regular_file::open(&target)?)?)
        });
        written.await.map_err(StoreError::Aborted)?.map_err(|source| file_error(path, source))?;
        Ok(Copied::new(Kind::Trace, Some(length)))
    }

    async fn put(self, to: &Objects, bytes: Bytes, step: u32) -> Result<Copied, MoveError> {
        let (etag, length) = (etag_of(&bytes), bytes.len() as u64);
        let object = match self.object {
            Some((object, _)) => object,
            None => trace_object(&self.key, self.attempt, &etag, self.kind.as_str()),
        };
        let is_there = match to.get(&object, &etag).await {
            Ok(_) => true,
            Err(ObjectError::Missing { .. } | ObjectError::Damaged { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !is_there {
            to.put(&object, bytes).await?;
            to.get(&object, &etag).await?;
        }
        let since_epoch = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let created_at = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        let of = TraceObject { key: self.key, kind: self.kind, object, bytes: length, step };
        let trace = Some(MovedTrace { of, created_at });
        Ok(Copied { kind: Kind::Trace, bytes: (!is_there).then_some(length), trace })
    }

    fn path(&self, media: &Media) -> PathBuf {
        media.trace_path(&self.key).map(|path| path.with_extension(self.kind.as_str())).unwrap_or_default()
    }
}

/// The steps that are done in a trace or a saved state. None of one that cannot be read.
fn last_step(bytes: &[u8], kind: TraceKind) -> Option<u32> {
    let trace = Trace::read(io::Cursor::new(bytes)).ok()?;
    let of = |steps: &mut dyn Iterator<Item = (u32, u64)>| steps.map(|(step, _)| step).last();
    match kind {
        TraceKind::Trace => Some(of(&mut trace.pictures()).max(of(&mut trace.states())).unwrap_or_default()),
        TraceKind::State => of(&mut trace.states()),
    }
}

fn is_same(same: bool) -> io::Result<()> {
    match same {
        true => Ok(()),
        false => Err(io::Error::other("what was written cannot be read back")),
    }
}

/// Copies a file with the time of its last change. A file of the same length and time is not read again.
fn copy_file(to: &Media, key: &str, source: &Path, target: &Path) -> io::Result<Option<u64>> {
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
    is_same(etag_of_reader(&file)? == etag_of_reader(&regular_file::open(target)?)?)?;
    Ok(Some(metadata.len()))
}
