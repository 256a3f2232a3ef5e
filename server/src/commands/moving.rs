//! `emberline move`: copies an installation to another database and another folder of pictures.

use crate::{
    data_dir::{self, DataDir},
    media_url::MediaUrl,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use engine::{Installation, Media, Moved, PicturePlace};
use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};
use store::{CopiedRows, SharedStart, Store};

/// Options of `emberline move`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct MoveArgs {
    /// The data folder that is moved. Its servers are stopped; nothing in it is changed.
    #[arg(long, env = "EMBERLINE_FROM", value_name = "DIR")]
    pub from: Option<PathBuf>,

    /// The database that is moved [default: SQLite inside the folder of --from]
    #[arg(long, env = "EMBERLINE_FROM_DATABASE", value_name = "URL", hide_env_values = true)]
    pub from_database: Option<String>,

    /// Its servers' --media-url [default: the folder of --from]
    #[arg(long, env = "EMBERLINE_FROM_MEDIA", value_name = "URL")]
    pub from_media: Option<MediaUrl>,

    /// The new data folder.
    #[arg(long, env = "EMBERLINE_TO", value_name = "DIR")]
    pub to: Option<PathBuf>,

    /// The new database, without tables of Emberline's or with empty ones [default: SQLite inside the folder of --to]
    #[arg(long, env = "EMBERLINE_TO_DATABASE", value_name = "URL", hide_env_values = true)]
    pub to_database: Option<String>,

    /// The new place for the pictures, the --media-url of the new servers [default: the folder of --to]
    #[arg(long, env = "EMBERLINE_TO_MEDIA", value_name = "URL")]
    pub to_media: Option<MediaUrl>,
}

/// Where an installation is, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    folder: Option<PathBuf>,
    database: String,
    pictures: MediaUrl,
}

/// A place that no server uses as long as this exists.
struct Held {
    installation: Installation,
    /// Until this is dropped, no server starts on the PostgreSQL database.
    _start: Option<SharedStart>,
    _folder: Option<DataDir>,
}

impl Place {
    /// `end` is `from` or `to`, as in the options' names.
    fn new(end: &str, folder: Option<&PathBuf>, database: Option<&String>, media: Option<&MediaUrl>) -> Result<Self> {
        let database = database.cloned().or_else(|| folder.map(|folder| data_dir::database_url_in(folder)));
        let pictures = media.cloned().or_else(|| folder.cloned().map(MediaUrl::Folder));
        match (database, pictures) {
            (Some(database), Some(pictures)) => Ok(Self { folder: folder.cloned(), database, pictures }),
            _ => bail!("--{end} names a data folder; without it --{end}-database and --{end}-media are both needed"),
        }
    }

    fn pictures(&self) -> Result<PicturePlace> {
        Ok(match &self.pictures {
            MediaUrl::Folder(folder) => PicturePlace::Folder(Arc::new(Media::at(&data_dir::media_in(folder)))),
            MediaUrl::Objects(url) => PicturePlace::Objects(MediaUrl::objects(url, &self.database)?),
        })
    }

    /// Opens the place without changing it.
    async fn open(&self) -> Result<Held> {
        let folder = match &self.folder {
            Some(folder) if !folder.is_dir() => bail!("--from: there is no folder {}", folder.display()),
            folder => folder.clone().map(DataDir::open).transpose()?,
        };
        let store = Store::hold(&self.database).await.context("cannot open the database that is moved")?;
        self.held(folder, store, "from").await
    }

    /// Opens the place, and makes what is missing.
    async fn create(&self) -> Result<Held> {
        let folder = self.folder.clone().map(DataDir::open).transpose()?;
        let store = Store::own(&self.database).await.context("cannot open the new database")?;
        self.held(folder, store, "to").await
    }

    async fn held(&self, folder: Option<DataDir>, store: Store, end: &str) -> Result<Held> {
        let start = store.begin_start(None).await.context("cannot keep servers from starting")?;
        if let Some(others) = start.as_ref().map(|start| start.others).filter(|others| *others > 0) {
            bail!(
                "--{end}-database: {others} servers or workers use it; stop them first (`emberline workers` lists them)"
            );
        }
        Ok(Held { installation: Installation { store, pictures: self.pictures()? }, _start: start, _folder: folder })
    }
}

/// Moves, and prints what was moved.
pub fn run(args: &MoveArgs) -> Result<()> {
    data_dir::keep_private();
    let from = Place::new("from", args.from.as_ref(), args.from_database.as_ref(), args.from_media.as_ref())?;
    let to = Place::new("to", args.to.as_ref(), args.to_database.as_ref(), args.to_media.as_ref())?;
    if from.database == to.database || is_same(&from.pictures, &to.pictures) {
        bail!("the new place has the old one's database or folder of pictures: each needs another one");
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let moved = runtime.block_on(async {
        let (from, to) = (from.open().await?, to.create().await?);
        let moved = from.installation.move_to(&to.installation).await;
        from.installation.store.close().await.context("cannot close the database that is moved")?;
        to.installation.store.close().await.context("cannot close the new database")?;
        moved.context("cannot move")
    })?;
    io::stdout().lock().write_all(report(&moved).as_bytes()).context("cannot print what was moved")
}

/// Whether two places of pictures are one.
fn is_same(one: &MediaUrl, other: &MediaUrl) -> bool {
    let resolved = |place: &MediaUrl| match place {
        MediaUrl::Folder(folder) => fs::canonicalize(folder).ok(),
        MediaUrl::Objects(_) => None,
    };
    one == other || matches!((resolved(one), resolved(other)), (Some(one), Some(other)) if one == other)
}

fn report(moved: &Moved) -> String {
    let Some(rows) = &moved.rows else {
        return "It had been moved before. Nothing was copied.\n".to_owned();
    };
    let CopiedRows { projects, frames, tasks, takes, styles, settings, library_files, idempotency_keys: _ } = rows;
    let Moved { pictures, previews, traces, traces_left, already_there, bytes, .. } = moved;
    let mut text = format!(
        "{projects} projects, {frames} frames, {takes} takes, {tasks} tasks, {styles} styles, {settings} settings, \
         {library_files} library files\n\
         {pictures} finished pictures, each checked; {previews} previews, {traces} traces: {} MiB\n",
        bytes >> 20
    );
    if *already_there > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{already_there} of the files were there from an earlier call");
    }
    if *traces_left > 0 {
        let _ = writeln!(
            text,
            "{traces_left} traces and saved states were left behind: they are missing or damaged. Paused pictures without \
             theirs begin again"
        );
    }
    text.push_str("The old place is unchanged. Do not start a server on it any more: it would go its own way.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_database_and_pictures() {
        let (dir, url) = (PathBuf::from("/data"), "postgres://db/e".to_owned());
        let media = MediaUrl::Folder("/shared".into());
        let place = |folder, database, media| Place::new("from", folder, database, media);
        let local = place(Some(&dir), None, None).expect("a folder");
        let in_dir = MediaUrl::Folder(dir.clone());
        assert_eq!((local.database.as_str(), &local.pictures), ("sqlite:/data/emberline.db", &in_dir));
        let shared = place(None, Some(&url), Some(&media)).expect("both");
        assert_eq!((&shared.database, &shared.pictures), (&url, &media));
        // A server on PostgreSQL without --media-url has its pictures in its data folder.
        let mixed = place(Some(&dir), Some(&url), None).expect("a folder");
        assert_eq!((&mixed.database, &mixed.pictures), (&url, &in_dir));
        for refused in [place(None, None, None), place(None, Some(&url), None), place(None, None, Some(&media))] {
            assert!(refused.expect_err("incomplete").to_string().contains("--from-media"));
        }
    }
}
