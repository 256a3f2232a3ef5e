//! Moves an installation, a database and its pictures, to another place: `emberline move`.
//!
//! Files first, then all rows in one transaction. So a move that is killed has moved nothing yet, and goes on with the files
//! that are missing when it is run again. The old place is not changed.

use crate::{
    Media,
    media::etags,
    recovery::{self, RecoveryError, media_identity},
};
use protocol::TaskId;
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use store::{CopiedRows, Showing, Store, StoreError, UnreadableRow};
use tokio::task::JoinSet;

/// Files that are copied at the same time: each waits for its disk.
const AT_ONCE: usize = 8;

/// Time between two lines in the log.
const REPORTED: Duration = Duration::from_secs(5);

/// A database and the folder of its pictures. No server uses them.
#[derive(Clone)]
pub struct Installation {
    /// The database.
    pub store: Store,
    /// The pictures and traces.
    pub media: Arc<Media>,
}

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rows; none if an earlier call has moved them.
    pub rows: Option<CopiedRows>,
    /// Finished pictures. The hash of each was compared with its row's, before and after the copy.
    pub pictures: u64,
    /// Previews of tasks that wait.
    pub previews: u64,
    /// Traces and saved states.
    pub traces: u64,
    /// Of all files, those that an earlier call had copied.
    pub already_there: u64,
    /// Bytes that were copied.
    pub bytes: u64,
}

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The rows and files at the old place do not match.
    #[error("what is to be moved cannot be read")]
    Source(#[source] RecoveryError),
    /// No server has used the old place.
    #[error("no server has used the database that is to be moved: there is nothing in it")]
    Unused,
    /// A server was killed.
    #[error(
        "{0} pictures were being made when a server was killed: start a server on the old place once, so that they are queued \
         again, and stop it"
    )]
    Interrupted(usize),
    /// A row that cannot be read.
    #[error("{count} rows cannot be read, the first: {first}; `emberline doctor` lists them")]
    Unreadable {
        /// How many.
        count: usize,
        /// The first.
        first: UnreadableRow,
    },
    /// Pictures are missing or changed.
    #[error(
        "{count} finished pictures are missing or are not what they were when they were made, the first {first}.png; put them \
         back from a backup, or delete their takes"
    )]
    Damaged {
        /// How many.
        count: usize,
        /// Key of the first.
        first: String,
    },
    /// The new place has been used.
    #[error("the new place {place} is in use: {why}. Nothing was changed there; name a new one")]
    Used {
        /// The database or the folder.
        place: String,
        /// What is in it.
        why: String,
    },
    /// The database at either place.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file.
    #[error("cannot copy {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// Why a file was not copied.
enum CopyError {
    /// Key of a picture that is missing or has another hash.
    Damaged(String),
    File(PathBuf, io::Error),
}

/// A file that was copied, or was there.
#[derive(Clone, Copy)]
struct Copied {
    kind: Kind,
    /// None if it was there.
    bytes: Option<u64>,
}

#[derive(Clone, Copy)]
enum Kind {
    Picture,
    Preview,
    Trace,
}

impl Moved {
    fn count(&mut self, copied: Copied) {
        *match copied.kind {
            Kind::Picture => &mut self.pictures,
            Kind::Preview => &mut self.previews,
            Kind::Trace => &mut self.traces,
        } += 1;
        match copied.bytes {
            Some(bytes) => self.bytes += bytes,
            None => self.already_there += 1,
        }
    }
}

impl Installation {
    /// Copies everything to a new place, and checks it. Ids, addresses and hashes stay the same. Called again after it was
    /// killed, it continues; called again after it has returned, it changes nothing.
    ///
    /// # Errors
    /// See [`MoveError`]. The old place is not changed in any case.
    pub async fn move_to(&self, to: &Self) -> Result<Moved, MoveError> {
        let identity = self.check().await?;
        if media_identity(&to.store).await? == Some(identity.clone()) {
            let previews = self.copy_previews(to).await?;
            return Ok(Moved { previews, ..Moved::default() });
        }
        to.claim(&identity).await?;
        let etags = self.store.picture_etags().await?;
        let mut moved = Moved::default();
        self.copy_files(to, &etags, &mut moved).await?;
        let rows = self.store.copy_into(&to.store).await.map_err(|error| match error {
            StoreError::Conflict { why } => MoveError::Used { place: "database".to_owned(), why },
            error => error.into(),
        })?;
        moved.previews += self.copy_previews(to).await?;
        Ok(Moved { rows: Some(rows), ..moved })
    }

    /// Checks that everything can be moved. Returns the identity that database and folder have in common.
    async fn check(&self) -> Result<String, MoveError> {
        let identity = media_identity(&self.store).await?.ok_or(MoveError::Unused)?;
        let unreadable = self.store.unreadable_rows().await?;
        if let Some(first) = unreadable.first() {
            return Err(MoveError::Unreadable { count: unreadable.len(), first: first.clone() });
        }
        let found = recovery::find_differences(&self.store, &self.media).await.map_err(MoveError::Source)?;
        if !found.interrupted.is_empty() {
            return Err(MoveError::Interrupted(found.interrupted.len()));
        }
        if let Some((_, first)) = found.lost_pictures.first() {
            return Err(MoveError::Damaged { count: found.lost_pictures.len(), first: first.clone() });
        }
        Ok(identity)
    }

    /// Marks the folder of a new place, so that a later call knows its own files in it.
    async fn claim(&self, identity: &str) -> Result<(), MoveError> {
        let folder = self.media.folder().to_owned();
        let used = |why: String| MoveError::Used { place: folder.display().to_string(), why };
        let failed = |source| MoveError::File { path: folder.clone(), source };
        self.media.create().map_err(failed)?;
        match self.media.identity().map_err(failed)? {
            Some(there) if there == identity => Ok(()),
            Some(_) => Err(used("it has the pictures of another database".to_owned())),
            None => match self.media.list().map_err(failed)?.keys.len() {
                0 => self.media.identify(identity).map_err(failed),
                pictures => Err(used(format!("it has {pictures} pictures"))),
            },
        }
    }

    /// Copies pictures, traces and saved states; previews too, if the new place has them in its folder.
    async fn copy_files(
        &self,
        to: &Self,
        etags: &[(String, Option<String>)],
        moved: &mut Moved,
    ) -> Result<(), MoveError> {
        let (shared, traces) = (to.store.is_shared(), self.traces(etags)?);
        let mut files: Vec<Job> = Vec::with_capacity(etags.len() + traces.len());
        for (key, etag) in etags {
            match etag {
                Some(etag) => files.push(Job::Picture(key.clone(), etag.clone())),
                None if !shared && !self.store.is_shared() => files.push(Job::Preview(key.clone())),
                None => {}
            }
        }
        files.extend(traces);
        let total = files.len();
        let (mut waiting, mut running, mut damaged) = (files.into_iter(), JoinSet::new(), Vec::new());
        let (mut done, mut reported) = (0_usize, Instant::now());
        loop {
            while running.len() < AT_ONCE
                && let Some(job) = waiting.next()
            {
                let (from, to) = (Arc::clone(&self.media), Arc::clone(&to.media));
                running.spawn_blocking(move || job.run(&from, &to));
            }
            let Some(ended) = running.join_next().await else { break };
            match ended.map_err(StoreError::Aborted)? {
                Ok(copied) => copied.into_iter().for_each(|copied| moved.count(copied)),
                Err(CopyError::Damaged(key)) => damaged.push(key),
                Err(CopyError::File(path, source)) => return Err(MoveError::File { path, source }),
            }
            done += 1;
            if reported.elapsed() > REPORTED {
                reported = Instant::now();
                tracing::info!(done, total, "copying files");
            }
        }
        let count = damaged.len();
        match damaged.into_iter().min() {
            Some(first) => Err(MoveError::Damaged { count, first }),
            None => Ok(()),
        }
    }

    /// The traces and saved states of takes that have a row.
    fn traces(&self, etags: &[(String, Option<String>)]) -> Result<Vec<Job>, MoveError> {
        let known: HashSet<&str> = etags.iter().map(|(key, _)| key.as_str()).collect();
        let path = self.media.traces_folder();
        let listing = self.media.list_traces().map_err(|source| MoveError::File { path, source })?;
        let names = [(listing.traces, "trace"), (listing.states, "state")];
        let jobs = names.into_iter().flat_map(|(files, kind)| files.into_iter().map(move |file| (file.key, kind)));
        Ok(jobs.filter(|(key, _)| known.contains(key.as_str())).map(|(key, kind)| Job::Trace(key, kind)).collect())
    }

    /// The tasks that wait after some steps, with their keys.
    async fn waiting_with_steps(&self) -> Result<Vec<(TaskId, String)>, MoveError> {
        let open = self.store.open_tasks().await?;
        Ok(open.into_iter().filter(|open| open.done_steps > 0).map(|open| (open.task.id, open.key)).collect())
    }

    /// Copies the previews of waiting tasks between a folder and a database. Returns their number.
    async fn copy_previews(&self, to: &Self) -> Result<u64, MoveError> {
        if !self.store.is_shared() && !to.store.is_shared() {
            return Ok(0);
        }
        let mut copied = 0;
        for (task, key) in self.waiting_with_steps().await? {
            let preview = match self.store.showing(&key, None).await? {
                Some(Showing::Preview { png, .. }) => png,
                Some(_) => None,
                None => self.media.read(&key).ok(),
            };
            let Some(png) = preview else {
                tracing::info!(task.id = %task, "no preview of this task is kept; its first one is shown until its next step");
                continue;
            };
            match to.store.is_shared() {
                true => to.store.put_waiting_preview(&key, &etags::of_bytes(&png), png).await?,
                false => {
                    let path = to.media.path(&key).unwrap_or_default();
                    to.media.write_preview(&key, &png).map_err(|source| MoveError::File { path, source })?;
                }
            }
            copied += 1;
        }
        Ok(copied)
    }
}

/// A file that is to be copied.
enum Job {
    /// A finished picture, with its hash.
    Picture(String, String),
    /// The preview of a picture that is not finished.
    Preview(String),
    /// A trace or a saved state.
    Trace(String, &'static str),
}

impl Job {
    /// None for a preview that is not there.
    fn run(self, from: &Media, to: &Media) -> Result<Option<Copied>, CopyError> {
        match self {
            Self::Picture(key, etag) => picture(from, to, key, &etag).map(Some),
            Self::Preview(key) => preview(from, to, &key),
            Self::Trace(key, kind) => trace(from, to, &key, kind).map(Some),
        }
    }
}

/// Copies a finished picture and reads it back. One that is there already is only read.
fn picture(from: &Media, to: &Media, key: String, etag: &str) -> Result<Copied, CopyError> {
    let failed = |media: &Media, source| CopyError::File(media.path(&key).unwrap_or_default(), source);
    let there = |bytes: &io::Result<Vec<u8>>| matches!(bytes, Ok(bytes) if etags::of_bytes(bytes) == etag);
    if there(&to.read(&key)) {
        return Ok(Copied { kind: Kind::Picture, bytes: None });
    }
    let bytes = from.read(&key);
    if !there(&bytes) {
        return match bytes {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed(from, source)),
            _ => Err(CopyError::Damaged(key)),
        };
    }
    let bytes = bytes.map_err(|source| failed(from, source))?;
    to.write_final(&key, &bytes).map_err(|source| failed(to, source))?;
    match there(&to.read(&key)) {
        true => Ok(Copied { kind: Kind::Picture, bytes: Some(bytes.len() as u64) }),
        false => Err(failed(to, io::Error::other("what was written cannot be read back"))),
    }
}

fn preview(from: &Media, to: &Media, key: &str) -> Result<Option<Copied>, CopyError> {
    let failed = |media: &Media, source| CopyError::File(media.path(key).unwrap_or_default(), source);
    let bytes = match from.read(key) {
        Ok(bytes) => bytes,
        // The next start makes it.
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(from, source)),
    };
    to.write_preview(key, &bytes).map_err(|source| failed(to, source))?;
    Ok(Some(Copied { kind: Kind::Preview, bytes: Some(bytes.len() as u64) }))
}

/// Copies a trace or a saved state with the time of its last change, by which the oldest are removed. Records have checksums,
/// so a file of the same length and time is not read again.
fn trace(from: &Media, to: &Media, key: &str, extension: &str) -> Result<Copied, CopyError> {
    let path = |media: &Media| media.trace_path(key).map(|path| path.with_extension(extension)).unwrap_or_default();
    let (source, target) = (path(from), path(to));
    let copied = copy_trace(to, key, &source, &target).map_err(|error| CopyError::File(source.clone(), error))?;
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
    match etags::of_file(&file)? == etags::of_file(&regular_file::open(target)?)? {
        true => Ok(Some(metadata.len())),
        false => Err(io::Error::other("what was written cannot be read back")),
    }
}
