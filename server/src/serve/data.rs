//! The data folder: database, pictures and exports, reconciled after a crash.

use crate::{
    cli::ServeArgs,
    data_dir::{self, DataDir},
    running::RunningMark,
};
use anyhow::{Context, Result};
use engine::{
    LostFound, Media,
    recovery::{self, RecoveryOptions},
};
use local_studio::{Exports, LocalStudio};
use std::{fs, sync::Arc};
use store::Store;

/// The opened data folder.
pub(super) struct Data {
    /// Locked as long as this exists.
    pub dir: DataDir,
    pub store: Store,
    pub media: Arc<Media>,
    pub exports: Arc<Exports>,
    /// Dropped when the server is asked to stop.
    pub running: RunningMark,
    pub lost_found: LostFound,
}

/// Locks the data folder.
pub(super) fn lock(args: &ServeArgs) -> Result<DataDir> {
    DataDir::open(match &args.data_dir {
        Some(path) => path.clone(),
        None => data_dir::default_path()?,
    })
}

/// Opens the database, reconciles it with the pictures, and empties the folder of exports.
pub(super) async fn open(args: &ServeArgs, dir: DataDir) -> Result<Data> {
    let url = args.database_url.clone().unwrap_or_else(|| dir.database_url());
    let media = Arc::new(Media::at(&dir.media()));
    let options = recovery_options(&dir, args.accept_missing_pictures);
    let store = open_recovered(&url, &media, &options).await?;
    let running = RunningMark::set(dir.path())?;
    let first_export = LocalStudio::first_export_id(&store).await?;
    let exports = Exports::open(dir.exports(), first_export)
        .with_context(|| format!("cannot make the folder of exports {}", dir.exports().display()))?;
    Ok(Data { dir, store, media, exports: Arc::new(exports), running, lost_found: options.lost_found })
}

fn recovery_options(data_dir: &DataDir, accept_missing: bool) -> RecoveryOptions {
    let last_end = RunningMark::last_end(data_dir.path());
    RecoveryOptions { last_end, accept_missing, lost_found: LostFound::at(data_dir.lost_found()) }
}

/// Opens the database and reconciles rows and files. If that fails the database is closed: a log file left beside it would be
/// applied to a backup that somebody puts in its place.
async fn open_recovered(url: &str, media: &Media, options: &RecoveryOptions) -> Result<Store> {
    let is_new = store::sqlite_file(url).is_some_and(|file| {
        // Opening the database reports a log without a database file.
        fs::metadata(&file).map_or(0, |file| file.len()) == 0 && !store::has_log_alone(&file)
    });
    if is_new {
        recovery::expect_no_pictures(media)?;
    }
    let store = Store::own(url).await.context("cannot open the database")?;
    match recover(&store, media, options).await {
        Ok(()) => Ok(store),
        Err(error) => {
            // An error from closing would hide the first one.
            store.close().await.ok();
            Err(error)
        }
    }
}

async fn recover(store: &Store, media: &Media, options: &RecoveryOptions) -> Result<()> {
    let interrupted = LocalStudio::stored_settings(store).await?.interrupted;
    let findings = recovery::reconcile(store, media, interrupted, options).await?;
    if !findings.is_empty() {
        let put_away = findings.lost_found.as_ref().map(|folder| folder.display().to_string());
        tracing::info!(
            interrupted_tasks = findings.interrupted.len(),
            orphaned_files = findings.orphaned_files.len(),
            orphaned_traces = findings.orphaned_traces.len(),
            unfinished_files = findings.unfinished_files.len(),
            lost_previews = findings.lost_previews.len(),
            lost_pictures = findings.lost_pictures.len(),
            put_away,
            "recovered from an unclean stop"
        );
    }
    Ok(())
}
