//! `emberline doctor`: checks devices, model, disk, database and pictures, and the servers that share them. Changes nothing.

use crate::{
    commands::{cluster, model::ModelChoice, offers::Offers},
    data_dir,
    media_url::MediaUrl,
    one_line::one_line,
};
use anyhow::{Context, Result, anyhow, bail};
use checkpoint::OpenOptions;
use clap::Args;
use engine::{Media, recovery};
use local_studio::LocalStudio;
use pictures::ObjectUrl;
use protocol::RefusedModel;
use sdxl::{Compute, DeviceChoice};
use std::{
    fmt::Write as _,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};
use store::Store;

/// Maximum number of database faults listed in full.
const SHOWN: usize = 5;

/// Options of `emberline doctor`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct DoctorArgs {
    /// The server's data folder [default: the platform's user-data folder]
    #[arg(long, env = "EMBERLINE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// The server's database [default: SQLite inside the data folder]
    #[arg(long, env = "EMBERLINE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where the pictures are, as the server is started with: a folder, or s3://BUCKET/PREFIX.
    #[arg(long, env = "EMBERLINE_MEDIA_URL", value_name = "URL")]
    pub media_url: Option<MediaUrl>,

    /// The model that the server is started with.
    #[arg(long, env = "EMBERLINE_MODEL", value_name = "PATH", default_value_t)]
    pub model: ModelChoice,

    /// The folders of models that the server is started with.
    #[arg(long, env = "EMBERLINE_MODELS", value_name = "DIR", value_delimiter = super::library::FOLDERS)]
    pub models: Vec<PathBuf>,
}

/// Prints one line for each check. Returns an error if any check found a fault.
pub fn run(args: &DoctorArgs) -> Result<()> {
    let folder = match &args.data_dir {
        Some(path) => path.clone(),
        None => data_dir::default_path()?,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let (database, data, cluster) = runtime.block_on(database_and_data(args, &folder));
    let mut findings = vec![
        ("device", device(DeviceChoice::Auto)),
        ("adapter", adapter()),
        ("model", model(&args.model)),
        ("library", library(&args.models)),
        ("disk", disk(&folder)),
        ("folder", data_folder(&folder)),
        ("database", database),
        ("data", data),
    ];
    findings.extend(cluster);
    let mut out = io::stdout().lock();
    for (what, found) in &findings {
        let line = match found {
            Ok(text) => format!("ok    {what:8} {text}"),
            Err(error) => format!("FAULT {what:8} {}", one_line(error)),
        };
        writeln!(out, "{line}").context("cannot print the findings")?;
    }
    // A missing GPU adapter is not a fault: the CPU is used.
    let faults = findings.iter().filter(|(what, found)| found.is_err() && *what != "adapter").count();
    if faults > 0 {
        bail!("{faults} of {} checks found a fault", findings.len());
    }
    Ok(())
}

fn device(choice: DeviceChoice) -> Result<String> {
    Ok(Compute::open(choice)?.info.to_string())
}

/// wgpu's choice, and the adapters that `--device wgpu:N` names.
fn adapter() -> Result<String> {
    let mut text = device(DeviceChoice::Wgpu)?;
    for (number, name) in Compute::adapters().iter().enumerate() {
        write!(text, "\n      wgpu:{number} is {name}")?;
    }
    Ok(text)
}

fn model(model: &ModelChoice) -> Result<String> {
    let Offers { offers, refused } = Offers::of(model, &OpenOptions::default(), None)?;
    let mut text = offers.iter().map(|offer| offer.name.as_str()).collect::<Vec<_>>().join(", ");
    for RefusedModel { name, reason } in refused {
        write!(text, "\n      not offered: {name}: {reason}")?;
    }
    Ok(text)
}

/// Counts the files of the library and lists those that cannot be used.
fn library(folders: &[PathBuf]) -> Result<String> {
    if folders.is_empty() {
        return Ok("none; --models names its folders".to_owned());
    }
    let library = super::library::scanned(folders, &OpenOptions::default());
    let status = library.status();
    if !status.problems.is_empty() {
        bail!("{}", status.problems.join("; "));
    }
    let mut text = format!("{} files, of which {} cannot be used", status.items, status.refused);
    for entry in library.shelf().entries() {
        if let Some(problem) = &entry.item.problem {
            write!(text, "\n      {}: {problem}", entry.item.file)?;
        }
    }
    Ok(text)
}

fn disk(folder: &Path) -> Result<String> {
    // The nearest existing parent: the server's first start creates the data folder.
    let Some(there) = folder.ancestors().find(|path| path.is_dir()) else {
        bail!("{} is on no disk", folder.display());
    };
    let disks = sysinfo::Disks::new_with_refreshed_list();
    let resolved = fs::canonicalize(there).with_context(|| there.display().to_string())?;
    let disk = disks.iter().filter(|disk| resolved.starts_with(disk.mount_point()));
    match disk.max_by_key(|disk| disk.mount_point().as_os_str().len()) {
        Some(disk) if disk.is_read_only() => bail!("{} is on a disk that can only be read", folder.display()),
        Some(disk) => Ok(format!("{} MiB free at {}", disk.available_space() >> 20, folder.display())),
        None => Ok(format!("{}; the system does not tell its free space", folder.display())),
    }
}

/// Looks for files and folders that are in the way of a start.
fn data_folder(folder: &Path) -> Result<String> {
    let obstacles = data_dir::obstacles(folder);
    if !obstacles.is_empty() {
        bail!("{}", obstacles.join("; "));
    }
    Ok(format!("nothing is in the way in {}", folder.display()))
}

/// Checks the database, then compares it with the picture files, then looks at the servers and workers that share both.
async fn database_and_data(
    args: &DoctorArgs,
    folder: &Path,
) -> (Result<String>, Result<String>, Vec<cluster::Finding>) {
    let url = args.database_url.clone().unwrap_or_else(|| data_dir::database_url_in(folder));
    if !folder.is_dir() && store::sqlite_file(&url).is_some() {
        let absent = || Ok(format!("{} is not there yet; the first start makes it", folder.display()));
        return (absent(), absent(), Vec::new());
    }
    let root = match &args.media_url {
        Some(MediaUrl::Folder(shared)) => shared.as_path(),
        _ => folder,
    };
    let media = Media::at(&data_dir::media_in(root));
    if store::sqlite_file(&url).is_some_and(|file| !file.exists() && !store::has_log_alone(&file)) {
        let data = recovery::expect_no_pictures(&media).map(|()| "there are no pictures yet".to_owned());
        return (Ok("there is none yet; the first start makes it".to_owned()), data.map_err(Into::into), Vec::new());
    }
    let store = match Store::look(&url).await.context("cannot open the database") {
        Ok(store) => store,
        Err(error) => return (Err(error), Err(anyhow!("cannot be judged without the database")), Vec::new()),
    };
    let (data, folder) = match &args.media_url {
        Some(MediaUrl::Objects(at)) => (objects(&store, &url, at).await, None),
        _ => (data(&store, &media).await, Some(&media)),
    };
    let found = (database(&store).await, data, cluster::findings(&store, folder).await);
    store.close().await.ok();
    found
}

/// Looks for damaged pages, unreadable rows and invalid settings.
async fn database(store: &Store) -> Result<String> {
    let damage = store.damage().await.context("cannot check the database")?;
    let mut faults = Vec::new();
    match store.unreadable_rows().await {
        Ok(rows) => faults.extend(rows.iter().map(ToString::to_string)),
        // Damaged pages; listed below.
        Err(_) if !damage.is_empty() => {}
        Err(error) => return Err(error.into()),
    }
    match LocalStudio::settings_fault(store).await {
        Ok(fault) => faults.extend(fault),
        Err(_) if !damage.is_empty() => {}
        Err(error) => return Err(error.into()),
    }
    faults.extend(damage);
    if faults.is_empty() {
        return Ok("whole, and every row can be read".to_owned());
    }
    let more = faults.len().saturating_sub(SHOWN);
    let shown = faults.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    bail!("{} faults: {shown}{rest}", faults.len());
}

/// Compares the database with the object store. Reads one object; the pictures are not listed.
async fn objects(store: &Store, database_url: &str, at: &ObjectUrl) -> Result<String> {
    let objects = MediaUrl::objects(at, database_url)?;
    recovery::check_objects(store, &objects).await?;
    let places = store.picture_places().await?;
    Ok(format!("{} finished pictures are objects in {at}, which belongs to the database", places.objects))
}

async fn data(store: &Store, media: &Media) -> Result<String> {
    let found = recovery::find_differences(store, media).await?;
    if let Some((take, key)) = found.lost_pictures.first() {
        bail!(
            "{} finished pictures are missing from {}, the first {key}.png of take {take}; the next start lists them in \
             lost+found and forgets them: put them back before it",
            found.lost_pictures.len(),
            media.folder().display()
        );
    }
    // Not faults: the next start repairs these, or a running server is still working on them.
    Ok(format!(
        "{} interrupted tasks, {} files without a row, {} unfinished files, {} lost previews, {} lost pictures, \
         {} traces without a row",
        found.interrupted.len(),
        found.orphaned_files.len(),
        found.unfinished_files.len(),
        found.lost_previews.len(),
        found.lost_pictures.len(),
        found.orphaned_traces.len()
    ))
}
