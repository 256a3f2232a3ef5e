//! Moves an installation, a database and its pictures, to another place: `emberline move`.
//!
//! Files first, then all rows in one transaction. So a move that is killed has moved nothing yet, and goes on with the files
//! that are missing when it is run again. The old place is not changed.

use crate::{
    Media,
    recovery::{self, RecoveryError, media_identity},
};
use ::pictures::{IDENTITY, ObjectError, Objects, PICTURES, etag_of, etag_of_reader, picture_object};
use bytes::Bytes;
use futures::StreamExt;
use protocol::TaskId;
use std::{
    collections::HashSet,
    io::{self, Seek},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use store::{CopiedRows, FinalPicture, MovedTake, Showing, Store, StoreError, UnreadableRow};
use tokio::task::{JoinSet, spawn_blocking};

/// Files that are copied at the same time: each waits for its disk.
const AT_ONCE: usize = 8;

/// Time between two lines in the log.
const REPORTED: Duration = Duration::from_secs(5);

/// A database and its pictures. No server uses them.
#[derive(Clone)]
pub struct Installation {
    /// The database.
    pub store: Store,
    /// Where its pictures are.
    pub pictures: PicturePlace,
}

/// Where the pictures of an installation are.
#[derive(Clone)]
pub enum PicturePlace {
    /// Pictures, previews and traces are files of a folder.
    Folder(Arc<Media>),
    /// Finished pictures are objects. Traces are not kept.
    Objects(Objects),
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
    /// Traces and saved states that the new place cannot keep. Paused pictures begin again there.
    pub traces_left: u64,
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
    /// The object store at either place.
    #[error(transparent)]
    Object(#[from] ObjectError),
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
    Failed(MoveError),
}

impl<E: Into<MoveError>> From<E> for CopyError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn file_error(path: impl Into<PathBuf>, source: io::Error) -> MoveError {
    MoveError::File { path: path.into(), source }
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
        to.pictures.claim(&identity).await?;
        let takes = self.store.takes_to_move().await?;
        let mut moved = Moved::default();
        self.copy_files(to, &takes, &mut moved).await?;
        let placed = takes.into_iter().filter_map(|take| Some((to.pictures.object_of(&take)?, take.key)));
        let objects = placed.map(|(object, key)| (key, object)).collect();
        let rows = self.store.copy_into(&to.store, objects).await.map_err(|error| match error {
            StoreError::Conflict { why } => MoveError::Used { place: "database".to_owned(), why },
            error => error.into(),
        })?;
        moved.previews += self.copy_previews(to).await?;
        Ok(Moved { rows: Some(rows), ..moved })
    }

    /// Checks that everything can be moved. Returns the identity that the database and its pictures have in common.
    async fn check(&self) -> Result<String, MoveError> {
        let identity = media_identity(&self.store).await?.ok_or(MoveError::Unused)?;
        let unreadable = self.store.unreadable_rows().await?;
        if let Some(first) = unreadable.first() {
            return Err(MoveError::Unreadable { count: unreadable.len(), first: first.clone() });
        }
        let interrupted = self.store.interrupted_tasks().await?.len();
        if interrupted > 0 {
            return Err(MoveError::Interrupted(interrupted));
        }
        match &self.pictures {
            PicturePlace::Folder(media) => {
                let found = recovery::find_differences(&self.store, media).await.map_err(MoveError::Source)?;
                if let Some((_, first)) = found.lost_pictures.first() {
                    return Err(MoveError::Damaged { count: found.lost_pictures.len(), first: first.clone() });
                }
            }
            PicturePlace::Objects(objects) => {
                recovery::check_objects(&self.store, objects).await.map_err(MoveError::Source)?;
            }
        }
        Ok(identity)
    }

    /// Copies pictures, traces and saved states; previews too, if both places have them in a folder.
    async fn copy_files(&self, to: &Self, takes: &[MovedTake], moved: &mut Moved) -> Result<(), MoveError> {
        let mut jobs = self.jobs(to, takes, moved)?.into_iter();
        let total = jobs.len();
        let (mut running, mut damaged) = (JoinSet::new(), Vec::new());
        let (mut done, mut reported) = (0_usize, Instant::now());
        loop {
            while running.len() < AT_ONCE
                && let Some(job) = jobs.next()
            {
                running.spawn(job.run(self.pictures.clone(), to.pictures.clone()));
            }
            let Some(ended) = running.join_next().await else { break };
            match ended.map_err(StoreError::Aborted)? {
                Ok(copied) => copied.into_iter().for_each(|copied| moved.count(copied)),
                Err(CopyError::Damaged(key)) => damaged.push(key),
                Err(CopyError::Failed(error)) => return Err(error),
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

    /// What has to be copied.
    fn jobs(&self, to: &Self, takes: &[MovedTake], moved: &mut Moved) -> Result<Vec<Job>, MoveError> {
        let previews_are_files = !self.store.is_shared() && !to.store.is_shared();
        let (mut jobs, mut objects) = (Vec::with_capacity(takes.len()), HashSet::new());
        for take in takes {
            let target = to.pictures.object_of(take);
            match &take.picture {
                // Copies of a frame share an object.
                Some(_) if target.as_ref().is_some_and(|object| !objects.insert(object.clone())) => moved.pictures += 1,
                Some(picture) => jobs.push(Job::Picture { key: take.key.clone(), picture: picture.clone(), target }),
                None if previews_are_files => jobs.push(Job::Preview(take.key.clone())),
                None => {}
            }
        }
        let PicturePlace::Folder(media) = &self.pictures else { return Ok(jobs) };
        let known: HashSet<&str> = takes.iter().map(|take| take.key.as_str()).collect();
        let listing = media.list_traces().map_err(|source| file_error(media.traces_folder(), source))?;
        let names = [(listing.traces, "trace"), (listing.states, "state")];
        let traces = names.into_iter().flat_map(|(files, kind)| files.into_iter().map(move |file| (file.key, kind)));
        let traces = traces.filter(|(key, _)| known.contains(key.as_str())).map(|(key, kind)| Job::Trace(key, kind));
        match &to.pictures {
            PicturePlace::Folder(_) => jobs.extend(traces),
            PicturePlace::Objects(_) => moved.traces_left = traces.count() as u64,
        }
        Ok(jobs)
    }

    /// The tasks that wait after some steps, with their keys.
    async fn waiting_with_steps(&self) -> Result<Vec<(TaskId, String)>, MoveError> {
        let open = self.store.open_tasks().await?;
        Ok(open.into_iter().filter(|open| open.done_steps > 0).map(|open| (open.task.id, open.key)).collect())
    }

    /// Copies the previews of waiting tasks from or to a database. Returns their number.
    async fn copy_previews(&self, to: &Self) -> Result<u64, MoveError> {
        if !self.store.is_shared() && !to.store.is_shared() {
            return Ok(0);
        }
        let mut copied = 0;
        for (task, key) in self.waiting_with_steps().await? {
            let preview = match (self.store.showing(&key, None).await?, &self.pictures) {
                (Some(Showing::Preview { png, .. }), _) => png,
                (None, PicturePlace::Folder(media)) => media.read(&key).ok(),
                _ => None,
            };
            let Some(png) = preview else {
                tracing::info!(task.id = %task, "no preview of this task is kept; its first one is shown until its next step");
                continue;
            };
            match &to.pictures {
                _ if to.store.is_shared() => to.store.put_waiting_preview(&key, &etag_of(&png), png).await?,
                PicturePlace::Folder(media) => {
                    let path = media.path(&key).unwrap_or_default();
                    media.write_preview(&key, &png).map_err(|source| file_error(path, source))?;
                }
                PicturePlace::Objects(_) => continue,
            }
            copied += 1;
        }
        Ok(copied)
    }
}

impl PicturePlace {
    /// Marks a new place, so that a later call knows its own files in it.
    async fn claim(&self, identity: &str) -> Result<(), MoveError> {
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
    fn object_of(&self, take: &MovedTake) -> Option<String> {
        let FinalPicture { etag, object } = take.picture.as_ref()?;
        match self {
            Self::Folder(_) => None,
            Self::Objects(_) => Some(object.clone().unwrap_or_else(|| picture_object(&take.key, take.attempt, etag))),
        }
    }

    /// Reads a finished picture. None if it is missing or has other bytes.
    async fn read(&self, key: &str, object: Option<&str>, etag: &str) -> Result<Option<Bytes>, MoveError> {
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
    async fn write(&self, key: &str, object: Option<&str>, bytes: Bytes) -> Result<(), MoveError> {
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

    fn path(&self, key: &str) -> PathBuf {
        match self {
            Self::Folder(media) => media.path(key).unwrap_or_default(),
            Self::Objects(_) => PathBuf::new(),
        }
    }
}

/// A file that is to be copied.
enum Job {
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
    async fn run(self, from: PicturePlace, to: PicturePlace) -> Result<Option<Copied>, CopyError> {
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
