//! Moves an installation, a database and its pictures, to another place: `emberline move`.
//!
//! Files first, then all rows in one transaction. So a move that is killed has moved nothing yet, and goes on with the files
//! that are missing when it is run again. The old place is not changed.

mod copied;
mod files;
mod place;
mod traces;

use crate::{
    Media,
    recovery::{self, RecoveryError, media_identity},
};
use ::pictures::{ObjectError, Objects, etag_of};
use copied::{Copied, Kind};
use files::{CopyError, Job};
use protocol::TaskId;
use std::{
    collections::HashSet,
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{CopiedRows, MovedTake, MovedTrace, Showing, Store, StoreError, UnreadableRow};
use tokio::task::JoinSet;

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
    /// Finished pictures, traces and saved states are objects.
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
    /// Traces and saved states that are missing or damaged at the old place. Paused pictures begin again without theirs.
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

fn file_error(path: impl Into<PathBuf>, source: io::Error) -> MoveError {
    MoveError::File { path: path.into(), source }
}

impl Moved {
    fn count(&mut self, copied: &Copied) {
        *match copied.kind {
            Kind::Picture => &mut self.pictures,
            Kind::Preview => &mut self.previews,
            Kind::Trace => &mut self.traces,
            Kind::LostTrace => &mut self.traces_left,
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
        let traces = self.copy_files(to, &takes, &mut moved).await?;
        let placed = takes.into_iter().filter_map(|take| Some((to.pictures.object_of(&take)?, take.key)));
        let objects = placed.map(|(object, key)| (key, object)).collect();
        let rows = self.store.copy_into(&to.store, objects, traces).await.map_err(|error| match error {
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

    /// Copies pictures, traces and saved states; previews too, if both places have them in a folder. Returns the traces and states
    /// that are objects at the new place.
    async fn copy_files(
        &self,
        to: &Self,
        takes: &[MovedTake],
        moved: &mut Moved,
    ) -> Result<Vec<MovedTrace>, MoveError> {
        let mut jobs = self.jobs(to, takes, moved).await?.into_iter();
        let mut traces = Vec::new();
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
                Ok(copied) => copied.into_iter().for_each(|copied| {
                    moved.count(&copied);
                    traces.extend(copied.trace);
                }),
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
            None => Ok(traces),
        }
    }

    /// What has to be copied.
    async fn jobs(&self, to: &Self, takes: &[MovedTake], moved: &mut Moved) -> Result<Vec<Job>, MoveError> {
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
        jobs.extend(traces::found(self, takes).await?.into_iter().map(Job::Trace));
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
