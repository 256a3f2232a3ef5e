//! `emberline doctor`: devices, database, disk, model, orphans. Changes nothing.

use crate::{commands::model::ModelChoice, data_dir};
use anyhow::{Context, Result, bail};
use checkpoint::OpenOptions;
use clap::Args;
use engine::{Media, recovery};
use sdxl::{Compute, DeviceChoice};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};
use store::Store;

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

    /// The model that the server is started with.
    #[arg(long, env = "EMBERLINE_MODEL", value_name = "PATH", default_value_t)]
    pub model: ModelChoice,
}

/// Prints what is found, a line each; fails when something is wrong.
pub fn run(args: &DoctorArgs) -> Result<()> {
    let folder = match &args.data_dir {
        Some(path) => path.clone(),
        None => data_dir::default_path()?,
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let findings = [
        ("device", device(DeviceChoice::Auto)),
        ("adapter", device(DeviceChoice::Wgpu)),
        ("model", model(&args.model)),
        ("disk", disk(&folder)),
        ("data", runtime.block_on(data(args, &folder))),
    ];
    let mut out = io::stdout().lock();
    for (what, found) in &findings {
        let line = match found {
            Ok(text) => format!("ok    {what:8} {text}"),
            Err(error) => format!("FAULT {what:8} {error:#}"),
        };
        writeln!(out, "{line}").context("cannot print the findings")?;
    }
    // No adapter is no fault: the CPU computes.
    let faults = findings.iter().filter(|(what, found)| found.is_err() && *what != "adapter").count();
    if faults > 0 {
        bail!("{faults} of {} checks found a fault", findings.len());
    }
    Ok(())
}

fn device(choice: DeviceChoice) -> Result<String> {
    Ok(Compute::open(choice)?.info.to_string())
}

fn model(model: &ModelChoice) -> Result<String> {
    let offers = crate::service::offers(model, OpenOptions::default())?;
    Ok(offers.iter().map(|offer| offer.name.as_str()).collect::<Vec<_>>().join(", "))
}

fn disk(folder: &Path) -> Result<String> {
    // The nearest folder that is there: the data folder is made by the server's first start.
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

async fn data(args: &DoctorArgs, folder: &Path) -> Result<String> {
    if !folder.is_dir() {
        return Ok(format!("{} is not there yet; the first start makes it", folder.display()));
    }
    let url = args.database_url.clone().unwrap_or_else(|| data_dir::database_url_in(folder));
    let media_folder = data_dir::media_in(folder);
    if !media_folder.is_dir() {
        return Ok("there are no pictures yet".to_owned());
    }
    let store = Store::look(&url).await.context("cannot open the database")?;
    let media = Media::open(&media_folder).context("cannot open the folder of the pictures")?;
    let found = recovery::look(&store, &media).await?;
    store.close().await.ok();
    let text = format!(
        "{} interrupted tasks, {} files without a row, {} unfinished files, {} lost previews, {} lost pictures",
        found.interrupted.len(),
        found.orphaned_files.len(),
        found.unfinished_files.len(),
        found.lost_previews.len(),
        found.lost_pictures.len()
    );
    // What the next start mends, or what a server that runs has on its way.
    Ok(text)
}
