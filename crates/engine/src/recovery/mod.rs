//! Recovery at a start, after a stop or a crash: reconciles the database's rows with the pictures' files.

mod identity;
mod interrupted;
pub mod lost_found;
mod objects;

pub use interrupted::LastEnd;
pub use lost_found::LostFound;

use crate::{Media, first_preview, media::Listing};
use ::pictures::{ObjectError, Objects};
pub(crate) use identity::media_identity;
use identity::{CompareError, Match, Mismatch};
use interrupted::{newer_step, remove_preview, requeue, skip_unreadable};
use protocol::{Interrupted, TakeId, Task, TaskId};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
    path::PathBuf,
};
use store::{End, Store, StoreError};

/// Differences between rows and files, and what recovery does about them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Tasks that were running when the server ended.
    pub interrupted: Vec<TaskId>,
    /// Pictures without a row: moved to `lost+found`.
    pub orphaned_files: Vec<String>,
    /// Keys of traces and saved states without a row: moved to `lost+found`.
    pub orphaned_traces: Vec<String>,
    /// Temporary files of unfinished writes, and saved states of pictures that are finished: removed.
    pub unfinished_files: Vec<PathBuf>,
    /// Queued or interrupted tasks whose preview is missing or damaged: rendered again.
    pub lost_previews: Vec<(Task, String)>,
    /// Finished takes whose picture is missing: listed in `lost+found`, then deleted.
    pub lost_pictures: Vec<(TakeId, String)>,
    /// The folder in `lost+found` of this start; none if nothing was moved.
    pub lost_found: Option<PathBuf>,
}

/// Options of the recovery.
#[derive(Clone, Debug)]
pub struct RecoveryOptions {
    /// How the last run ended.
    pub last_end: LastEnd,
    /// Whether the user accepts that missing pictures are lost.
    pub accept_missing: bool,
    /// Receives orphaned pictures and the rows of missing ones.
    pub lost_found: LostFound,
}

/// Why an interrupted task fails, if the user has chosen that.
const STOPPED: &str = "the server stopped while this was being made";

/// The error of interrupted tasks; none if they are queued again.
pub fn why_interrupted(interrupted: Interrupted) -> Option<String> {
    (interrupted == Interrupted::Fail).then(|| STOPPED.to_owned())
}

/// Why rows and files could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The database.
    #[error("the database could not be reconciled with the pictures")]
    Store(#[from] StoreError),
    /// The pictures' folder.
    #[error("the pictures' folder {folder} could not be reconciled with the database")]
    Media {
        /// The folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The object store.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The object store is another database's, or the pictures are elsewhere.
    #[error("the database and the object store {store} do not belong together: {why}. Nothing was changed")]
    ForeignStore {
        /// Its address.
        store: String,
        /// What was found.
        why: String,
    },
    /// They belong to different installations. Reconciling them would empty both.
    #[error(
        "the database and the pictures' folder {folder} do not belong together: {why}. Nothing was changed. Name the \
         database (--database-url) and the data folder (--data-dir) that do, or move what is in the folder away"
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What was found.
        why: String,
    },
    /// Pictures are missing, most likely because the whole folder is.
    #[error(
        "pictures are missing from the folder {folder}: {why}. Nothing was changed. Mount the disk, put the folder \
         back, or name the data folder that this database is used with (--data-dir), and start again; if they are gone \
         for good, start once with --accept-missing-pictures: what the database knows of them is kept in lost+found for \
         30 days"
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// What was found.
        why: String,
    },
}

impl Findings {
    /// Whether there are no differences.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Finds the differences between rows and files. Changes nothing. The server must not be running, because a running one
/// is changing both.
///
/// # Errors
/// A database or a folder that cannot be read, or that do not belong together.
pub async fn find_differences(store: &Store, media: &Media) -> Result<Findings, RecoveryError> {
    matching(store, media, false).await?;
    findings(store, media).await
}

/// The common identity of the folder and the database, or an error if they do not belong together.
async fn matching(store: &Store, media: &Media, accept_missing: bool) -> Result<Match, RecoveryError> {
    let folder = media.folder().to_owned();
    if store.picture_places().await?.objects > 0 {
        let why = "the database's pictures are objects of an object store: start with --media-url s3://…".to_owned();
        return Err(RecoveryError::Foreign { folder, why });
    }
    match identity::compare(store, media, accept_missing).await.map_err(|error| compare_error(media, error))? {
        Ok(matching) => Ok(matching),
        Err(Mismatch::Foreign(why)) => Err(RecoveryError::Foreign { folder, why }),
        Err(Mismatch::Missing(why)) => Err(RecoveryError::Missing { folder, why }),
    }
}

/// Checks that the folder is the one that other servers use with this database, for a server that starts beside them. Changes
/// nothing: what looks like the remains of a crash may be the others' work.
///
/// # Errors
/// Another folder, or one that cannot be read.
pub async fn join(store: &Store, media: &Media) -> Result<(), RecoveryError> {
    if let Some(pictures) = media.pictures() {
        return objects::join(store, pictures.objects()).await;
    }
    let matching = matching(store, media, false).await?;
    match matching.is_known() {
        true => Ok(()),
        false => {
            let why = "the folder does not hold the identity that the database knows".to_owned();
            Err(RecoveryError::Foreign { folder: media.folder().to_owned(), why })
        }
    }
}

/// Checks that an object store belongs to the database. Changes nothing.
///
/// # Errors
/// Another database's store, or one that cannot be read.
pub async fn check_objects(store: &Store, objects: &Objects) -> Result<(), RecoveryError> {
    objects::compare(store, objects).await.map(drop)
}

/// Refuses a folder with pictures when the database does not exist yet: a new database has no rows for them.
///
/// # Errors
/// A folder with pictures, or one that cannot be read.
pub fn expect_no_pictures(media: &Media) -> Result<(), RecoveryError> {
    let failed = |source| folder_error(media, source);
    if !media.exists().map_err(failed)? {
        return Ok(());
    }
    match media.list().map_err(failed)?.keys.len() {
        0 => Ok(()),
        pictures => {
            let why =
                format!("the folder has {pictures} pictures, and the database knows none: it is missing, or empty");
            Err(RecoveryError::Foreign { folder: media.folder().to_owned(), why })
        }
    }
}

async fn findings(store: &Store, media: &Media) -> Result<Findings, RecoveryError> {
    if media.pictures().is_some() {
        // The objects are not listed: there may be very many.
        let interrupted = store.interrupted_tasks().await?.into_iter().map(|open| open.task.id).collect();
        return Ok(Findings { interrupted, ..Findings::default() });
    }
    let listing = match media.exists() {
        Ok(true) => media.list(),
        Ok(false) => Ok(Listing::default()),
        Err(error) => Err(error),
    };
    let listing = listing.map_err(|source| folder_error(media, source))?;
    let known: HashSet<String> = store.take_keys().await?.into_iter().collect();
    let takes = store.take_files().await?;
    let open = store.open_tasks().await?;
    let present: HashSet<&str> = listing.keys.iter().map(String::as_str).collect();
    let traces = media.list_traces().map_err(|source| folder_error(media, source))?;
    let all_traces = traces.traces.iter().chain(&traces.states).map(|trace| trace.key.clone());
    let orphaned_traces = all_traces.filter(|key| !known.contains(key)).collect::<BTreeSet<_>>().into_iter().collect();
    let finished: HashSet<&str> = takes.iter().filter(|take| take.finished).map(|take| take.key.as_str()).collect();
    let ended = traces.states.iter().filter(|state| finished.contains(state.key.as_str()));
    let ended: Vec<PathBuf> = ended.filter_map(|state| media.state_path(&state.key).ok()).collect();
    let orphaned_files = listing.keys.iter().filter(|key| !known.contains(key.as_str())).cloned().collect();
    let lost_pictures = takes
        .iter()
        .filter(|take| take.finished && !present.contains(take.key.as_str()))
        .map(|take| (take.take_id, take.key.clone()))
        .collect();
    // Where servers share the database, previews are in it, and the first is made when it is read.
    let lost_previews = open
        .iter()
        .filter(|open| !store.is_shared() && !media.is_whole(&open.key))
        .map(|open| (open.task.clone(), open.key.clone()))
        .collect();
    let interrupted = store.interrupted_tasks().await?.into_iter().map(|open| open.task.id).collect();
    let unfinished_files = [listing.unfinished, traces.unfinished, ended].concat();
    Ok(Findings {
        interrupted,
        orphaned_files,
        orphaned_traces,
        unfinished_files,
        lost_previews,
        lost_pictures,
        lost_found: None,
    })
}

/// Reconciles rows and files. Can be killed at any point and run again. Deletes only pictures and rows that are in
/// `lost+found` before.
///
/// # Errors
/// A database that cannot be changed, a folder that can only be read, or two that do not belong together.
pub async fn reconcile(
    store: &Store,
    media: &Media,
    interrupted: Interrupted,
    options: &RecoveryOptions,
) -> Result<Findings, RecoveryError> {
    match media.pictures() {
        Some(pictures) => objects::identify(store, pictures.objects()).await?,
        None => {
            let matching = matching(store, media, options.accept_missing).await?;
            matching.store(store, media).await.map_err(|error| compare_error(media, error))?;
        }
    }
    let mut findings = findings(store, media).await?;
    for path in &findings.unfinished_files {
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "an unfinished file could not be removed");
        }
    }
    for (task, key) in &findings.lost_previews {
        // The parameters were validated, so rendering cannot fail.
        if let Ok(png) = first_preview(&task.parameters, task.seed)
            && let Err(error) = media.write_preview(key, &png)
        {
            tracing::warn!(task.id = %task.id, %error, "a preview could not be written");
        }
    }
    // Of the interrupted tasks, the steps from which they go on.
    let open = store.interrupted_tasks().await?;
    let mut saved = HashMap::new();
    for open in &open {
        saved.extend(newer_step(store, media, open).await?.map(|step| (open.task.id, step)));
    }
    findings.lost_found = move_to_lost_found(store, media, &options.lost_found, &findings).await?;
    for id in &findings.interrupted {
        match interrupted {
            Interrupted::Requeue => requeue(store, media, *id, &saved, options.last_end).await?,
            Interrupted::Fail => {
                let error = STOPPED.to_owned();
                let ended = store.end_task(*id, &[protocol::TaskStatus::Running], End::Failed(error)).await;
                if let Some(ended) = skip_unreadable(ended)? {
                    remove_preview(media, &ended.key);
                }
            }
        }
    }
    Ok(findings)
}

/// Moves pictures and traces without a row, and the rows of missing pictures, to `lost+found`. Returns the folder of this start;
/// none if nothing was moved.
async fn move_to_lost_found(
    store: &Store,
    media: &Media,
    lost_found: &LostFound,
    findings: &Findings,
) -> Result<Option<PathBuf>, RecoveryError> {
    let (orphans, lost) = (&findings.orphaned_files, &findings.lost_pictures);
    if orphans.is_empty() && lost.is_empty() && findings.orphaned_traces.is_empty() {
        return Ok(None);
    }
    let ids: Vec<TakeId> = lost.iter().map(|(id, _)| *id).collect();
    let records = store.take_records(&ids).await?;
    let folder = match lost_found.begin(orphans, &records) {
        Ok(folder) => folder,
        Err(error) => {
            let (folder, pictures, rows) = (lost_found.folder().display(), orphans.len(), lost.len());
            tracing::warn!(%folder, %error, pictures, rows, "lost+found cannot be written; what does not fit together stays");
            return Ok(None);
        }
    };
    for key in orphans {
        if let Err(error) = lost_found::move_picture(media, key, &folder) {
            tracing::warn!(key, %error, "a picture without a row could not be moved to lost+found, and stays");
        }
    }
    // A take whose picture is gone has a trace that will have no row.
    for key in findings.orphaned_traces.iter().chain(lost.iter().map(|(_, key)| key)) {
        if let Err(error) = lost_found::move_trace(media, key, &folder) {
            tracing::warn!(key, %error, "a trace without a row could not be moved to lost+found, and stays");
        }
    }
    for record in &records {
        tracing::warn!(
            take.id = record.take.id,
            key = record.take.key,
            "a finished picture is gone from the folder; its take is forgotten"
        );
        skip_unreadable(store.forget_take(TakeId(record.take.id)).await)?;
    }
    Ok(Some(folder))
}

fn compare_error(media: &Media, error: CompareError) -> RecoveryError {
    match error {
        CompareError::Store(error) => RecoveryError::Store(error),
        CompareError::Folder(source) => folder_error(media, source),
    }
}

fn folder_error(media: &Media, source: io::Error) -> RecoveryError {
    RecoveryError::Media { folder: media.folder().to_owned(), source }
}
