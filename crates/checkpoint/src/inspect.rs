//! Describes a checkpoint as data, even if it cannot be loaded.

use crate::{
    Dtype, Error, Family, FolderError, Layout, MemoryFolder, Misshapen, OpenOptions, Part, PlanError, Recommendation,
    SchedulerConfig,
    config::ConfigFile,
    place::Place,
    plan::build,
    safetensors::{Tensor, WeightFile},
    shape::{self, Shape},
    source::{PartSource, Sources},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Description of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The file or folder.
    pub path: PathBuf,
    /// The model family.
    pub family: Family,
    /// How it is stored on disk.
    pub layout: Layout,
    /// Whether [`crate::Checkpoint`] can open and plan it, as a whole or as a single part.
    pub loadable: bool,
    /// Its weight files.
    pub files: Vec<FileReport>,
    /// Number of values in all tensors, including ignored ones.
    pub parameters: u64,
    /// The same by number type.
    pub dtypes: BTreeMap<Dtype, u64>,
    /// Its parts, in loading order.
    pub parts: Vec<PartReport>,
    /// Tensors that belong to no part.
    pub unexpected: Vec<String>,
    /// The training schedule, and where the prediction type was found.
    pub scheduler: Option<SchedulerConfig>,
    /// The settings that the checkpoint recommends. `None` if it cannot be loaded as a whole. Not in the JSON output:
    /// the caller fills in defaults and writes both.
    #[serde(skip)]
    pub recommendation: Option<Recommendation>,
    /// The safetensors metadata of its first file.
    pub metadata: BTreeMap<String, String>,
    /// Problems that prevent loading, one line each.
    pub problems: Vec<String>,
}

/// One weight file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// The path.
    pub path: PathBuf,
    /// Length in bytes.
    pub bytes: u64,
    /// Number of tensors.
    pub tensors: usize,
}

/// Description of a part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartReport {
    /// The part.
    pub part: Part,
    /// Number of values in its tensors.
    pub parameters: u64,
    /// The same by number type.
    pub dtypes: BTreeMap<Dtype, u64>,
    /// Its configuration. `None` if config or tensors do not give a supported one.
    pub config: Option<Shape>,
    /// Parameters without a tensor.
    pub missing: Vec<String>,
    /// Tensors that are neither used nor ignored.
    pub unexpected: Vec<String>,
    /// Tensors of the wrong shape.
    pub misshapen: Vec<Misshapen>,
    /// Tensors in a dtype that cannot be read.
    pub unreadable: Vec<(String, Dtype)>,
    /// Tensors ignored by the published list.
    pub ignored: Vec<String>,
    /// Number of values in large parameters that have 16 bits in the file. See [`crate::Plan::narrow_parameters`]. Not in
    /// the JSON output.
    #[serde(skip)]
    pub narrow_parameters: u64,
}

/// Describes a file or folder from its headers and configs. A 7 GB file takes milliseconds.
///
/// # Errors
/// A path that is not a safetensors file or a folder with one, or a broken file. A model other than SDXL, or tensors
/// that do not match, are not errors: the report describes them.
pub fn inspect(path: &Path, options: &OpenOptions) -> Result<Report, Error> {
    Ok(report(&open(path, options)?))
}

/// Like [`inspect`], for a folder in memory.
///
/// # Errors
/// The same as [`inspect`].
pub fn inspect_memory(folder: &MemoryFolder, options: &OpenOptions) -> Result<Report, Error> {
    Ok(report(&Sources::open(&Place::Memory(folder.clone()), options)?))
}

fn report(sources: &Sources) -> Report {
    let path = sources.path();
    let judged = sources.family == Family::Sdxl || sources.layout == Layout::Part;
    let mut problems: Vec<String> = sources.broken.iter().map(Error::to_string).collect();
    if !judged || sources.parts.is_empty() {
        problems.push(Error::Family { path: path.to_owned(), family: sources.family }.to_string());
    }
    let mut shapes = BTreeMap::new();
    let parts: Vec<PartReport> = Part::ALL
        .into_iter()
        .filter_map(|part| sources.parts.get_key_value(&part))
        .map(|(&part, source)| part_report(sources, part, source, judged, &mut shapes, &mut problems))
        .collect();
    let mut unexpected = Vec::new();
    if sources.family == Family::Sdxl && sources.layout != Layout::Part {
        unexpected.clone_from(&sources.strays);
        problems.extend(whole_problems(sources, &shapes));
    }
    let scheduler = match (judged && sources.parts.contains_key(&Part::Unet), shape::scheduler(sources)) {
        (false, _) => None,
        (true, Ok(scheduler)) => Some(scheduler),
        (true, Err(error)) => {
            problems.push(error.to_string());
            None
        }
    };
    let recommendation = scheduler.as_ref().map(|scheduler| Recommendation::read(sources, &shapes, scheduler));
    let recommendation = match recommendation {
        Some(Err(error)) => {
            problems.push(error.to_string());
            None
        }
        read => read.and_then(Result::ok),
    };
    // Deriving the UNet's configuration also reads the second encoder's, so that problem is reported twice.
    let mut listed = BTreeSet::new();
    problems.retain(|problem| listed.insert(problem.clone()));
    let file = |file: &WeightFile| FileReport {
        path: file.path.clone(),
        bytes: file.bytes,
        tensors: file.header.tensors.len(),
    };
    Report {
        path: path.to_owned(),
        family: sources.family,
        layout: sources.layout,
        loadable: problems.is_empty(),
        files: sources.files.iter().map(file).collect(),
        parameters: sources.all_tensors().map(Tensor::elements).sum(),
        dtypes: by_dtype(sources.all_tensors()),
        parts,
        unexpected,
        scheduler,
        recommendation,
        metadata: sources.files.first().map(|file| file.header.metadata.clone()).unwrap_or_default(),
        problems,
    }
}

/// Opens a whole checkpoint, or the one part that the path holds.
fn open(path: &Path, options: &OpenOptions) -> Result<Sources, Error> {
    let sources = match Sources::open(&path.into(), options) {
        Err(Error::Folder { reason: FolderError::NoIndex, path }) => match part_of_folder(&path) {
            Some(part) => return Sources::open_part(part, &path.as_path().into(), options),
            None => return Err(Error::Folder { reason: FolderError::NoIndex, path }),
        },
        other => other?,
    };
    let part = match sources.family {
        Family::Vae => Part::Vae,
        Family::Taesd => Part::Taesd,
        Family::SdxlUnet => Part::Unet,
        _ => return Ok(sources),
    };
    Ok(Sources::open_part(part, &path.into(), options).unwrap_or(sources))
}

/// Problems of a whole SDXL checkpoint: missing parts, unexpected tensors, parts that do not fit together.
fn whole_problems(sources: &Sources, shapes: &BTreeMap<Part, Shape>) -> Vec<String> {
    let path = || sources.path().to_owned();
    let mut problems = Vec::new();
    for part in [Part::TextEncoder, Part::TextEncoder2, Part::Unet, Part::Vae] {
        // The problem of a broken part has already been reported.
        if !sources.parts.contains_key(&part) && sources.broken.is_empty() {
            problems.push(Error::NoPart { path: path(), part }.to_string());
        }
    }
    problems.extend(shape::check_together(&path(), shapes).err().map(|error| error.to_string()));
    if !sources.strays.is_empty() {
        let wrong = PlanError { unexpected: sources.strays.clone(), ..PlanError::default() };
        problems.push(wrong.to_string());
    }
    problems
}

/// The part whose own folder this is, according to its config.json.
fn part_of_folder(folder: &Path) -> Option<Part> {
    let config = ConfigFile::read(&folder.into(), "config.json").ok()?;
    match config.text("_class_name").ok()?? {
        "UNet2DConditionModel" => Some(Part::Unet),
        "AutoencoderKL" => Some(Part::Vae),
        "AutoencoderTiny" => Some(Part::Taesd),
        _ => None,
    }
}

fn part_report(
    sources: &Sources,
    part: Part,
    source: &PartSource,
    judged: bool,
    shapes: &mut BTreeMap<Part, Shape>,
    problems: &mut Vec<String>,
) -> PartReport {
    let tensors = || source.tensors.iter().map(|at| sources.tensor(at));
    let mut report = PartReport {
        part,
        parameters: tensors().map(Tensor::elements).sum(),
        dtypes: by_dtype(tensors()),
        config: None,
        missing: Vec::new(),
        unexpected: Vec::new(),
        misshapen: Vec::new(),
        unreadable: Vec::new(),
        ignored: Vec::new(),
        narrow_parameters: 0,
    };
    if !judged {
        return report;
    }
    match Shape::read(sources, part) {
        Err(error) => {
            problems.push(error.to_string());
            if let Error::Plan { source, .. } = error {
                report.missing = source.missing;
            }
        }
        Ok(shape) => {
            let (plan, wrong) = build(sources, part, source, &shape.expected());
            if !wrong.is_empty() {
                problems.push(format!("{part}: {wrong}"));
            }
            report.narrow_parameters = plan.narrow_parameters();
            let PlanError { missing, unexpected, misshapen, unreadable, unscalable: _ } = wrong;
            report = PartReport { missing, unexpected, misshapen, unreadable, ignored: plan.ignored, ..report };
            report.config = Some(shape.clone());
            shapes.insert(part, shape);
        }
    }
    report
}

fn by_dtype<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> BTreeMap<Dtype, u64> {
    let mut counts = BTreeMap::new();
    for tensor in tensors {
        *counts.entry(tensor.dtype).or_insert(0) += tensor.elements();
    }
    counts
}
