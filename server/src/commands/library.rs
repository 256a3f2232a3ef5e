//! The library of `--models`: which of its checkpoints can be loaded, and its list without a server.

use super::{model::ModelChoice, settings::Recommended};
use anyhow::{Context, Result, bail};
use checkpoint::{Checkpoint, OpenOptions, Part, Prediction, VaeConfig};
use clap::Args;
use generation::nearest;
use library::{CheckpointFacts, Keeper, Known, Library, ReadCheckpoint};
use protocol::{LibraryItem, LibraryKind};
use sdxl::Pipeline;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Separates folders in an environment variable, as in PATH.
pub const FOLDERS: char = if cfg!(windows) { ';' } else { ':' };

/// Reads the headers of checkpoints.
#[derive(Clone, Debug)]
pub struct Reader {
    /// How they are opened.
    pub options: OpenOptions,
    /// The VAE of `--vae`, with which a checkpoint may lack one.
    pub vae: Option<VaeConfig>,
}

impl ReadCheckpoint for Reader {
    fn read(&self, path: &Path) -> std::result::Result<CheckpointFacts, String> {
        let checkpoint = Checkpoint::open_with(path, &self.options).map_err(|error| error.to_string())?;
        Pipeline::check(&checkpoint, self.vae.as_ref()).map_err(|error| error.to_string())?;
        let scheduler = checkpoint.scheduler();
        let recommended = Recommended::of_checkpoint(checkpoint.recommendation(), scheduler);
        let recommended = recommended.map_err(|error| format!("{error:#}"))?;
        let family = match scheduler.prediction_type {
            Prediction::V => "sdxl v-prediction",
            Prediction::Epsilon => "sdxl",
        };
        Ok(CheckpointFacts {
            family: family.to_owned(),
            memory_bytes: engine::memory_bytes(&checkpoint, recommended.settings()),
            has_taesd: checkpoint.has(Part::Taesd),
            recommended: recommended.settings().clone(),
            notes: recommended.notes.into_iter().map(|note| note.text).collect(),
        })
    }
}

/// Keeps nothing.
struct NothingKept;

impl Keeper for NothingKept {
    fn load(&self) -> Vec<Known> {
        Vec::new()
    }

    fn save(&self, _: Vec<Known>) {}

    fn changed(&self) {}

    fn is_busy(&self) -> bool {
        false
    }
}

/// The library of these folders, scanned once. For commands without a server.
pub fn scanned(folders: &[PathBuf], options: &OpenOptions) -> Library {
    let reader = Reader { options: options.clone(), vae: None };
    let library = Library::new(folders.to_vec(), Arc::new(NothingKept), Arc::new(reader));
    library.scan_now();
    library
}

/// The model of `--model`: a path stays as it is; a name that is no path is that of a checkpoint in the library.
///
/// # Errors
/// There is no such checkpoint, or it cannot be used.
pub fn named(model: ModelChoice, library: &Library) -> Result<ModelChoice> {
    let ModelChoice::Path(path) = &model else { return Ok(model) };
    if !library.has_folders() || path.exists() {
        return Ok(model);
    }
    let (name, shelf) = (path.display().to_string(), library.shelf());
    let Some(entry) = shelf.named(LibraryKind::Checkpoint, &name) else {
        let usable = shelf.of_kind(LibraryKind::Checkpoint).filter(|entry| entry.item.problem.is_none());
        match nearest(&name, usable.map(|entry| entry.item.name.as_str())) {
            Some(other) => {
                bail!("--model {name}: there is no such file and no such model in --models; the nearest is {other}")
            }
            None => bail!("--model {name}: there is no such file and no such model in --models"),
        }
    };
    match &entry.item.problem {
        Some(problem) => bail!("--model {name}: {problem}"),
        None => Ok(ModelChoice::Path(entry.path.clone())),
    }
}

/// Options of `emberline library`.
#[derive(Clone, Debug, Args)]
#[command(args_override_self = true)]
pub struct LibraryArgs {
    /// A folder of checkpoints, LoRA files and embeddings. Repeat the option for several folders.
    #[arg(long, env = "EMBERLINE_MODELS", value_name = "DIR", value_delimiter = FOLDERS, required = true)]
    pub models: Vec<PathBuf>,

    /// Print the list as JSON, with the fields of the API except hashes.
    #[arg(long, env = "EMBERLINE_JSON")]
    pub json: bool,
}

/// Lists the files of the library.
pub fn run(args: &LibraryArgs) -> Result<()> {
    let library = scanned(&args.models, &OpenOptions::default());
    let (shelf, status) = (library.shelf(), library.status());
    let mut out = io::stdout().lock();
    if args.json {
        let items: Vec<_> = shelf.entries().iter().map(|entry| &entry.item).collect();
        serde_json::to_writer_pretty(&mut out, &items).context("cannot print the list")?;
        writeln!(out).context("cannot print the list")?;
    } else {
        for entry in shelf.entries() {
            writeln!(out, "{}", line(&entry.item)).context("cannot print the list")?;
        }
    }
    match status.problems.is_empty() {
        true => Ok(()),
        false => bail!("{}", status.problems.join("; ")),
    }
}

/// `checkpoint  name  sdxl, 6.5 GiB`, or with the reason why it cannot be used.
fn line(item: &LibraryItem) -> String {
    let size = format!("{} MiB", item.bytes.div_ceil(1 << 20));
    let facts = match &item.problem {
        Some(problem) => format!("cannot be used: {problem}"),
        None => {
            [item.family.clone(), item.details.clone(), Some(size)].into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    };
    format!("{:10}  {}  {facts}", item.kind.as_str(), item.name)
}
