//! After a stop or a crash: rows and files are brought together again, both ways.

use crate::{
    LostFound, Media, first_preview,
    kinship::{self, Doubt, JudgeError, Kinship},
    lost_found,
    media::Listing,
};
use protocol::{Interrupted, TakeId, Task, TaskId};
use std::{collections::HashSet, io, path::PathBuf};
use store::{End, OpenTask, Store, StoreError};

/// What does not fit together, and what is done about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Tasks that were running when the server stopped.
    pub interrupted: Vec<TaskId>,
    /// Pictures that belong to no take: moved to `lost+found`.
    pub orphaned_files: Vec<String>,
    /// Files that a write left unfinished: removed.
    pub unfinished_files: Vec<PathBuf>,
    /// Waiting or interrupted tasks whose preview is gone or broken: it is made again.
    pub lost_previews: Vec<(Task, String)>,
    /// Finished takes whose picture is gone: listed in `lost+found`, then forgotten.
    pub lost_pictures: Vec<(TakeId, String)>,
    /// Where in `lost+found` it was put; none before, and where there was nothing to put away.
    pub lost_found: Option<PathBuf>,
}

/// How recovery goes about it.
#[derive(Clone, Debug)]
pub struct MendOptions {
    /// How the last run ended.
    pub last_end: LastEnd,
    /// A person says that missing pictures are gone for good.
    pub accept_missing: bool,
    /// Where what does not fit together is put.
    pub lost_found: LostFound,
}

/// How the server's last run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEnd {
    /// It was stopped, or nothing is known.
    Stopped,
    /// It ended without being stopped: killed, out of memory, the machine's power.
    Unclean,
}

/// So many ends without a stop while a task ran, and it is not tried again: it would end every server that makes it, and
/// hold up those behind it.
const MOST_UNCLEAN_ENDS: u32 = 2;

/// Why rows and files could not be brought together.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The database.
    #[error("the database could not be reconciled with the pictures")]
    Store(#[from] StoreError),
    /// The pictures' folder.
    #[error("the pictures' folder {folder} could not be reconciled with the database")]
    Media {
        /// Which folder.
        folder: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// One of the two is not the other's: to bring them together would be to empty both.
    #[error(
        "the database and the pictures' folder {folder} do not belong together: {why}. Nothing was changed. Name the \
         database (--database-url) and the data folder (--data-dir) that do, or move what is in the folder away"
    )]
    Strangers {
        /// Which folder.
        folder: PathBuf,
        /// What tells.
        why: String,
    },
    /// Pictures are missing, most likely with their whole folder.
    #[error(
        "pictures are missing from the folder {folder}: {why}. Nothing was changed. Mount the disk, put the folder \
         back, or name the data folder that this database is used with (--data-dir), and start again; if they are gone \
         for good, start once with --accept-missing-pictures: what the database knows of them is kept in lost+found for \
         30 days"
    )]
    Missing {
        /// Which folder.
        folder: PathBuf,
        /// What tells.
        why: String,
    },
}

impl Findings {
    /// Whether everything fits together.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Looks for what does not fit together; changes nothing. For a server that does not run: one that runs has
/// tasks and files on their way.
///
/// # Errors
/// A database or a folder that cannot be read, or that do not belong together.
pub async fn look(store: &Store, media: &Media) -> Result<Findings, RecoveryError> {
    kinship(store, media, false).await?;
    findings(store, media).await
}

/// Whether the folder and the database belong together.
async fn kinship(store: &Store, media: &Media, accept_missing: bool) -> Result<Kinship, RecoveryError> {
    let folder = media.folder().to_owned();
    match kinship::judge(store, media, accept_missing).await.map_err(|error| judge_error(media, error))? {
        Ok(kinship) => Ok(kinship),
        Err(Doubt::Strangers(why)) => Err(RecoveryError::Strangers { folder, why }),
        Err(Doubt::Missing(why)) => Err(RecoveryError::Missing { folder, why }),
    }
}

/// Refuses a folder with pictures where there is no database yet: a new one would know none of them.
///
/// # Errors
/// A folder with pictures, or one that cannot be read.
pub fn expect_no_pictures(media: &Media) -> Result<(), RecoveryError> {
    let failed = |source| folder_error(media, source);
    if !media.is_there().map_err(failed)? {
        return Ok(());
    }
    match media.list().map_err(failed)?.keys.len() {
        0 => Ok(()),
        pictures => {
            let why =
                format!("the folder has {pictures} pictures, and the database knows none: it is missing, or empty");
            Err(RecoveryError::Strangers { folder: media.folder().to_owned(), why })
        }
    }
}

async fn findings(store: &Store, media: &Media) -> Result<Findings, RecoveryError> {
    let listing = match media.is_there() {
        Ok(true) => media.list(),
        Ok(false) => Ok(Listing::default()),
        Err(error) => Err(error),
    };
    let listing = listing.map_err(|source| folder_error(media, source))?;
    let known: HashSet<String> = store.take_keys().await?.into_iter().collect();
    let takes = store.take_files().await?;
    let open = store.open_tasks().await?;
    let present: HashSet<&str> = listing.keys.iter().map(String::as_str).collect();
    let orphaned_files = listing.keys.iter().filter(|key| !known.contains(key.as_str())).cloned().collect();
    let lost_pictures = takes
        .iter()
        .filter(|take| take.finished && !present.contains(take.key.as_str()))
        .map(|take| (take.take_id, take.key.clone()))
        .collect();
    let lost_previews = open
        .iter()
        .filter(|open| !media.is_whole(&open.key))
        .map(|open| (open.task.clone(), open.key.clone()))
        .collect();
    let interrupted = store.interrupted_tasks().await?.into_iter().map(|open| open.task.id).collect();
    let unfinished_files = listing.unfinished;
    Ok(Findings { interrupted, orphaned_files, unfinished_files, lost_previews, lost_pictures, lost_found: None })
}

/// Brings rows and files together. Safe to be killed at any point and begun again. Deletes no picture and no row that it
/// has not put into `lost+found`.
///
/// # Errors
/// A database that cannot be changed, a folder that can only be read, or two that do not belong together.
pub async fn mend(
    store: &Store,
    media: &Media,
    interrupted: Interrupted,
    options: &MendOptions,
) -> Result<Findings, RecoveryError> {
    let kinship = kinship(store, media, options.accept_missing).await?;
    kinship.seal(store, media).await.map_err(|error| judge_error(media, error))?;
    let mut findings = findings(store, media).await?;
    for path in &findings.unfinished_files {
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "an unfinished file could not be removed");
        }
    }
    for (task, key) in &findings.lost_previews {
        // Parameters were validated when they were stored: a picture of size 0 cannot come up.
        if let Ok(png) = first_preview(&task.parameters, task.seed)
            && let Err(error) = media.write_preview(key, &png)
        {
            tracing::warn!(task.id = %task.id, %error, "a preview could not be written");
        }
    }
    findings.lost_found = put_away(store, media, &options.lost_found, &findings).await?;
    for id in &findings.interrupted {
        match interrupted {
            Interrupted::Requeue => requeue(store, media, *id, options.last_end).await?,
            Interrupted::Fail => {
                let error = "the server stopped while this was being made".to_owned();
                let ended = store.end_task(*id, &[protocol::TaskStatus::Running], End::Failed(error)).await;
                if let Some(ended) = passed_over(ended)? {
                    remove_preview(media, &ended.key);
                }
            }
        }
    }
    Ok(findings)
}

/// Queues an interrupted task again, unless it seems to be what ends the server.
async fn requeue(store: &Store, media: &Media, id: TaskId, last_end: LastEnd) -> Result<(), RecoveryError> {
    if last_end == LastEnd::Stopped {
        passed_over(store.requeue_task(id).await)?;
        return Ok(());
    }
    let Some(OpenTask { unclean_ends, .. }) = passed_over(store.requeue_after_unclean_end(id).await)? else {
        return Ok(());
    };
    if unclean_ends < MOST_UNCLEAN_ENDS {
        return Ok(());
    }
    tracing::warn!(task.id = %id, unclean_ends, "the server ended each time it made this picture; it is not made again");
    let error = format!(
        "the server ended {unclean_ends} times while it made this picture: probably out of memory; choose a smaller width \
         and height, or give the server more memory, and try again"
    );
    let ended = store.end_task(id, &[protocol::TaskStatus::Queued], End::Failed(error)).await?;
    remove_preview(media, &ended.key);
    Ok(())
}

fn remove_preview(media: &Media, key: &str) {
    if let Err(error) = media.remove(key) {
        tracing::warn!(key, %error, "a preview could not be removed; the next start puts it into lost+found");
    }
}

/// Moves pictures without a row, and the rows of missing pictures, to `lost+found`. Answers where.
async fn put_away(
    store: &Store,
    media: &Media,
    lost_found: &LostFound,
    findings: &Findings,
) -> Result<Option<PathBuf>, RecoveryError> {
    let (orphans, lost) = (&findings.orphaned_files, &findings.lost_pictures);
    if orphans.is_empty() && lost.is_empty() {
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
        if let Err(error) = lost_found::put_away(media, key, &folder) {
            tracing::warn!(key, %error, "a picture without a row could not be moved to lost+found, and stays");
        }
    }
    for record in &records {
        tracing::warn!(
            take.id = record.take.id,
            key = record.take.key,
            "a finished picture is gone from the folder; its take is forgotten"
        );
        passed_over(store.forget_take(TakeId(record.take.id)).await)?;
    }
    Ok(Some(folder))
}

/// A row that cannot be read is left alone; lists report it.
fn passed_over<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Err(error) if error.is_unreadable() => Ok(None),
        result => result.map(Some),
    }
}

fn judge_error(media: &Media, error: JudgeError) -> RecoveryError {
    match error {
        JudgeError::Store(error) => RecoveryError::Store(error),
        JudgeError::Folder(source) => folder_error(media, source),
    }
}

fn folder_error(media: &Media, source: io::Error) -> RecoveryError {
    RecoveryError::Media { folder: media.folder().to_owned(), source }
}
