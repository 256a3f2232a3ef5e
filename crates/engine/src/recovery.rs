//! After a stop or a crash: rows and files are brought together again, both ways.

use crate::{Media, first_preview, new_key};
use protocol::{Interrupted, TakeId, Task, TaskId};
use std::{collections::HashSet, io, path::PathBuf};
use store::{End, Store, StoreError};

/// What does not fit together, and what is done about it. Nothing of it is done yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Tasks that were running when the server stopped.
    pub interrupted: Vec<TaskId>,
    /// Pictures that belong to no take: removed.
    pub orphaned_files: Vec<String>,
    /// Files that a write left unfinished: removed.
    pub unfinished_files: Vec<PathBuf>,
    /// Waiting or interrupted tasks whose preview is gone or broken: it is made anew.
    pub lost_previews: Vec<(Task, String)>,
    /// Finished takes whose picture is gone: they are forgotten.
    pub lost_pictures: Vec<(TakeId, String)>,
}

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
/// A database or a folder that cannot be read.
pub async fn look(store: &Store, media: &Media) -> Result<Findings, RecoveryError> {
    let listing = media.list().map_err(|source| folder_error(media, source))?;
    let takes = store.take_files().await?;
    let open = store.open_tasks().await?;
    let known: HashSet<&str> = takes.iter().map(|take| take.key.as_str()).collect();
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
    Ok(Findings { interrupted, orphaned_files, unfinished_files: listing.unfinished, lost_previews, lost_pictures })
}

/// Under which name the database keeps the name that it has in common with its pictures' folder.
const IDENTITY: &str = "media_identity";

/// So many finished pictures are not lost one by one: the folder is another, or is not mounted.
const MANY: usize = 8;

/// Whether the folder's pictures are the database's: another database's would all be removed as nobody's, and this one's
/// all be forgotten as lost. Both keep one random name from the first start on.
async fn acquaint(store: &Store, media: &Media) -> Result<(), RecoveryError> {
    let failed = |source| folder_error(media, source);
    let strangers = |why| Err(RecoveryError::Strangers { folder: media.folder().to_owned(), why });
    let (of_store, of_media) = (store.setting(IDENTITY).await?, media.identity().map_err(failed)?);
    let acquainted = of_store.is_some() && of_store == of_media;
    if let (Some(of_store), Some(of_media), false) = (&of_store, &of_media, acquainted) {
        let path = media.identity_path();
        return strangers(format!("{} says {of_media}, the database {of_store}", path.display()));
    }
    let present: HashSet<String> = media.list().map_err(failed)?.keys.into_iter().collect();
    let takes = store.take_files().await?;
    let finished = takes.iter().filter(|take| take.finished).count();
    let lost = finished > 0 && !takes.iter().any(|take| take.finished && present.contains(&take.key));
    if lost && (!acquainted || finished > MANY) {
        return strangers(format!("the database has {finished} finished pictures, and none is in the folder"));
    }
    if acquainted {
        return Ok(());
    }
    // One of them is new, or both are from before they had a name.
    if !present.is_empty() && !takes.iter().any(|take| present.contains(&take.key)) {
        return strangers(format!("the folder has {} pictures, and the database knows none", present.len()));
    }
    let identity = of_store.clone().or_else(|| of_media.clone()).unwrap_or_else(new_key);
    if of_store.is_none() {
        store.put_setting(IDENTITY, &identity).await?;
    }
    if of_media.is_none() {
        media.identify(&identity).map_err(failed)?;
    }
    Ok(())
}

/// Brings rows and files together. Safe to be killed at any point and begun again.
///
/// # Errors
/// A database or a folder that cannot be changed, or that do not belong together.
pub async fn mend(store: &Store, media: &Media, interrupted: Interrupted) -> Result<Findings, RecoveryError> {
    acquaint(store, media).await?;
    let findings = look(store, media).await?;
    let failed = |source| folder_error(media, source);
    for path in &findings.unfinished_files {
        std::fs::remove_file(path).map_err(failed)?;
    }
    for key in &findings.orphaned_files {
        media.remove(key).map_err(failed)?;
    }
    for (task, key) in &findings.lost_previews {
        // Parameters were validated when they were stored: a picture of size 0 cannot come up.
        if let Ok(png) = first_preview(&task.parameters, task.seed) {
            media.write_preview(key, &png).map_err(failed)?;
        }
    }
    for (take, key) in &findings.lost_pictures {
        tracing::warn!(take.id = %take, key, "a finished picture is gone from the folder; its take is forgotten");
        store.forget_take(*take).await?;
    }
    for id in &findings.interrupted {
        match interrupted {
            Interrupted::Requeue => drop(store.requeue_task(*id).await?),
            Interrupted::Fail => {
                let error = "the server stopped while this was being made".to_owned();
                let ended = store.end_task(*id, &[protocol::TaskStatus::Running], End::Failed(error)).await?;
                media.remove(&ended.key).map_err(failed)?;
            }
        }
    }
    Ok(findings)
}

fn folder_error(media: &Media, source: io::Error) -> RecoveryError {
    RecoveryError::Media { folder: media.folder().to_owned(), source }
}
