//! After a stop or a crash: rows and files are brought together again, both ways.

use crate::{Media, first_preview};
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

/// Brings rows and files together. Safe to be killed at any point and begun again.
///
/// # Errors
/// A database or a folder that cannot be changed.
pub async fn mend(store: &Store, media: &Media, interrupted: Interrupted) -> Result<Findings, RecoveryError> {
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
