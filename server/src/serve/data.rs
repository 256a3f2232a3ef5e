//! The data folder: database, pictures and exports, reconciled after a crash.

use crate::{
    cli::ServeArgs,
    data_dir::{self, DataDir},
    media_url::MediaUrl,
    running::RunningMark,
};
use anyhow::{Context, Result, bail};
use engine::{
    LostFound, Media,
    recovery::{self, RecoveryOptions},
};
use local_studio::{Exports, LocalStudio};
use std::{fs, path::Path, sync::Arc, time::Duration};
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

/// Opens the database, reconciles it with the pictures, and empties the folder of exports unless other servers use it.
pub(super) async fn open(args: &ServeArgs, dir: DataDir) -> Result<Data> {
    let url = args.database_url.clone().unwrap_or_else(|| dir.database_url());
    if args.concurrency == 0 && store::sqlite_file(&url).is_some() {
        bail!(
            "--concurrency 0 needs a PostgreSQL database (--database-url) that other servers use: nobody would make pictures"
        );
    }
    let cache_dir = args.cache_dir.clone().unwrap_or_else(|| dir.cache());
    let media = match &args.media_url {
        Some(place) => place.media(&url, Some(&cache_dir))?,
        None => Media::at(&data_dir::media_in(dir.path())),
    };
    let media = Arc::new(media);
    let root = match &args.media_url {
        Some(MediaUrl::Folder(folder)) => folder.as_path(),
        _ => dir.path(),
    };
    let opening = Opening {
        url,
        migrates: !args.no_migrate,
        lease: Duration::from_secs(args.lease.into()),
        predecessor: dir.server_id(),
        recovery: recovery_options(&dir, root, args.accept_missing_pictures),
    };
    let store = open_recovered(&opening, &media).await?;
    if let Some(id) = store.server_id() {
        dir.set_server_id(&id);
    }
    let running = RunningMark::set(dir.path())?;
    // Beside the pictures: on PostgreSQL every server offers the files of all. With an object store the files are objects, and the
    // folder has those that this server made or was asked for.
    let folder = data_dir::exports_in(root);
    let exports = match store.exports() {
        Some(shared) => {
            Exports::share(folder.clone(), shared, media.pictures().map(|pictures| pictures.objects().clone()))
        }
        None => Exports::open(dir.exports(), LocalStudio::first_export_id(&store).await?),
    };
    let exports = exports.with_context(|| format!("cannot make the folder of exports {}", folder.display()))?;
    Ok(Data { dir, store, media, exports: Arc::new(exports), running, lost_found: opening.recovery.lost_found })
}

/// How the database is opened.
struct Opening {
    url: String,
    /// Whether the tables are brought up to date.
    migrates: bool,
    lease: Duration,
    /// The id of the last server on this data folder, which is dead: the folder is locked.
    predecessor: Option<String>,
    recovery: RecoveryOptions,
}

fn recovery_options(data_dir: &DataDir, pictures: &Path, accept_missing: bool) -> RecoveryOptions {
    let last_end = RunningMark::last_end(data_dir.path());
    // On the pictures' disk: files are moved there by renaming.
    RecoveryOptions { last_end, accept_missing, lost_found: LostFound::at(data_dir::lost_found_in(pictures)) }
}

/// Opens the database and reconciles rows and files. If that fails the database is closed: a log file left beside it would be
/// applied to a backup that somebody puts in its place.
async fn open_recovered(opening: &Opening, media: &Media) -> Result<Store> {
    let url = &opening.url;
    let is_new = store::sqlite_file(url).is_some_and(|file| {
        // Opening the database reports a log without a database file.
        fs::metadata(&file).map_or(0, |file| file.len()) == 0 && !store::has_log_alone(&file)
    });
    if is_new {
        recovery::expect_no_pictures(media)?;
    }
    let store = match opening.migrates {
        true => Store::own(url).await,
        false => Store::own_migrated(url).await,
    };
    let store = store.context("cannot open the database")?;
    store.set_lease(opening.lease);
    media.find_traces_in(&store);
    match recover_or_join(&store, media, opening).await {
        Ok(()) => Ok(store),
        Err(error) => {
            // An error from closing would hide the first one.
            store.close().await.ok();
            Err(error)
        }
    }
}

/// Reconciles rows and files, unless other servers use the database: then what looks like the remains of a crash may be their
/// work, and only the runs that this server left behind are taken up.
async fn recover_or_join(store: &Store, media: &Media, opening: &Opening) -> Result<()> {
    let Some(start) = store.begin_start(opening.predecessor.as_deref()).await.context("cannot begin the start")? else {
        return recover(store, media, &opening.recovery).await;
    };
    if start.others == 0 {
        recover(store, media, &opening.recovery).await?;
    } else {
        tracing::info!(servers = start.others, "other servers use the database as well");
        recovery::join(store, media).await?;
        let fails = recovery::why_interrupted(LocalStudio::interrupted(store.clone()).await);
        for run in &start.left {
            store.end_expired_run(*run, fails.clone()).await?;
        }
    }
    store.take_turns();
    store.end_start(start).await.context("cannot register this server")
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
