//! What a checkpoint is, as data: also of one that cannot be loaded.

use crate::{
    Dtype, Error, Family, FolderError, Layout, MemoryFolder, MemoryReport, Misshapen, OpenOptions, Part, PlanError,
    Recommendation, SchedulerConfig,
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

/// What a checkpoint is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The file or folder.
    pub path: PathBuf,
    /// Which model it holds.
    pub family: Family,
    /// How it lies on the disk.
    pub layout: Layout,
    /// Whether [`crate::Checkpoint`] opens and plans it: as a whole, or as the one part that it is.
    pub loadable: bool,
    /// Its weight files.
    pub files: Vec<FileReport>,
    /// Numbers in all its tensors together, ignored ones too.
    pub parameters: u64,
    /// The same by number format.
    pub dtypes: BTreeMap<Dtype, u64>,
    /// Its parts, in loading order.
    pub parts: Vec<PartReport>,
    /// Tensors that belong to no part.
    pub unexpected: Vec<String>,
    /// The training schedule, and where the prediction type was read.
    pub scheduler: Option<SchedulerConfig>,
    /// How it says that it is best sampled; none where it cannot be loaded as a whole. Left out of the JSON: a program
    /// with defaults for the rest writes both.
    #[serde(skip)]
    pub recommendation: Option<Recommendation>,
    /// What memory a picture takes; none where it cannot be loaded as a whole.
    pub memory: Option<MemoryReport>,
    /// The safetensors metadata of its first file.
    pub metadata: BTreeMap<String, String>,
    /// What stands in the way of loading, a line each.
    pub problems: Vec<String>,
}

/// One weight file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// How many tensors it has.
    pub tensors: usize,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartReport {
    /// Which.
    pub part: Part,
    /// Numbers in its tensors.
    pub parameters: u64,
    /// The same by number format.
    pub dtypes: BTreeMap<Dtype, u64>,
    /// Its shape; none where the config or the tensors do not give one that is supported.
    pub config: Option<Shape>,
    /// Parameters without a tensor.
    pub missing: Vec<String>,
    /// Tensors that are neither applied nor ignored.
    pub unexpected: Vec<String>,
    /// Tensors of the wrong shape.
    pub misshapen: Vec<Misshapen>,
    /// Tensors in a dtype that cannot be read.
    pub unreadable: Vec<(String, Dtype)>,
    /// Tensors left out by the published list.
    pub ignored: Vec<String>,
}

/// Looks at a file or folder, headers and configs only; a 7 GB file takes milliseconds.
///
/// # Errors
/// What is no safetensors file, no folder with one, or broken. Another model than SDXL, or tensors that do
/// not match, are no errors here: the report says so.
pub fn inspect(path: &Path, options: &OpenOptions) -> Result<Report, Error> {
    Ok(report(&open(path, options)?))
}

/// As [`inspect`], of a folder in memory.
///
/// # Errors
/// As there.
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
    let (mut shapes, mut narrow) = (BTreeMap::new(), BTreeMap::new());
    let parts: Vec<PartReport> = Part::ALL
        .into_iter()
        .filter_map(|part| sources.parts.get_key_value(&part))
        .map(|(&part, source)| part_report(sources, part, source, judged, &mut shapes, &mut narrow, &mut problems))
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
    // The UNet's shape needs the second encoder's: what is wrong with that comes up twice.
    let mut told = BTreeSet::new();
    problems.retain(|problem| told.insert(problem.clone()));
    let memory = match sources.layout {
        Layout::SingleFile | Layout::Diffusers if problems.is_empty() => {
            let size = recommendation.as_ref().and_then(|said| said.size_px.as_ref());
            MemoryReport::new(&shapes, &narrow, size.map_or([1024; 2], |size| size.value))
        }
        _ => None,
    };
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
        memory,
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
        _ => return Ok(sources),
    };
    Ok(Sources::open_part(part, &path.into(), options).unwrap_or(sources))
}

/// What a whole SDXL checkpoint lacks, has too much of, or has that does not fit together.
fn whole_problems(sources: &Sources, shapes: &BTreeMap<Part, Shape>) -> Vec<String> {
    let path = || sources.path().to_owned();
    let mut problems = Vec::new();
    for part in [Part::TextEncoder, Part::TextEncoder2, Part::Unet, Part::Vae] {
        // Of a broken part it is told already what is wrong.
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

/// Which part's own folder it is, by its config.json.
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
    narrow: &mut BTreeMap<Part, u64>,
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
            narrow.insert(part, plan.narrow_parameters());
            let PlanError { missing, unexpected, misshapen, unreadable } = wrong;
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
