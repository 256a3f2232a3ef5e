//! `emberline inspect`: reports on a checkpoint, a LoRA, an embedding or an upscaler from its headers alone, or shows a picture's
//! generation record.

use crate::{
    commands::{
        extras::Extra,
        model::ModelChoice,
        picture,
        scan::{Found, Refused, is_folder_of_models, scan},
        settings::Recommended,
        text::{name_of, shares},
    },
    one_line::one_line,
};
use anyhow::{Context, Result};
use checkpoint::{ModelSampling, OpenOptions, Report, SchedulerConfig};
use clap::Args;
use sdxl::{MemoryReport, Pipeline};
use serde::Serialize;
use starter_model::Card;
use std::{
    fmt::{self, Display, Formatter},
    io::{self, Write},
    path::Path,
};

/// Options of `emberline inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// A safetensors file (also a LoRA, an embedding or an upscaler), an upscaler's .pth file, a diffusers folder, a folder with several of either, or `starter`,
    /// the embedded model. For a PNG, JPEG or WebP picture, its generation record is shown.
    #[arg(value_name = "PATH")]
    pub path: ModelChoice,

    /// Print the whole report as JSON.
    #[arg(long, env = "EMBERLINE_JSON")]
    pub json: bool,
}

/// Prints the report. A checkpoint that cannot be loaded is also described, with exit status 0.
pub fn run(args: &InspectArgs) -> Result<()> {
    if let ModelChoice::Path(path) = &args.path
        && picture::is_picture(path)
    {
        return picture::run(path, args.json);
    }
    let text = match (&args.path, Described::of(&args.path)) {
        (ModelChoice::Path(path), Err(error)) if is_folder_of_models(path) => match Folder::look(path)? {
            folder if folder.models.is_empty() && folder.refused.is_empty() => return Err(error),
            folder => folder.text(args.json)?,
        },
        // A pickle, of which only upscalers are read.
        (ModelChoice::Path(path), Err(error)) => Extra::of(path).ok_or(error)?.text(args.json)?,
        (_, described) => described?.text(args.json)?,
    };
    writeln!(io::stdout().lock(), "{text}").context("cannot print the report")
}

/// JSON of a folder: a report for each checkpoint, and the refused files with reasons.
#[derive(Serialize)]
struct Folder {
    models: Vec<Named>,
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    described: Described,
}

impl Folder {
    fn look(folder: &Path) -> Result<Self> {
        let Found { candidates, mut refused } = scan(folder).with_context(|| folder.display().to_string())?;
        let mut models = Vec::new();
        for candidate in candidates {
            let described = Described::of(&ModelChoice::Path(candidate.path.clone()));
            match described.and_then(Described::offered) {
                Ok(described) => models.push(Named { name: candidate.name, described }),
                Err(error) => refused.push(Refused::new(&candidate, &error)),
            }
        }
        Ok(Self { models, refused })
    }

    fn text(&self, json: bool) -> Result<String> {
        if json {
            return serde_json::to_string_pretty(self).context("the report cannot be written as JSON");
        }
        let models = self.models.iter().map(|Named { name, described }| format!("{name}: {described}"));
        let refused = self.refused.iter().map(|Refused { file, reason }| format!("not a model: {file}: {reason}"));
        Ok(models.chain(refused).collect::<Vec<_>>().join("\n"))
    }
}

/// JSON of one checkpoint: its report, its settings with their sources, and the starter model's card.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    report: Report,
    /// Memory for one picture; `None` for a checkpoint that cannot be loaded completely.
    memory: Option<MemoryReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recommended: Option<Recommended>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'static Card>,
    /// `lora`, `embedding` or `upscaler`, for such a file.
    #[serde(flatten)]
    extra: Option<Extra>,
}

impl Described {
    fn of(model: &ModelChoice) -> Result<Self> {
        let mut report = model.inspect(&OpenOptions::default())?;
        if report.recommendation.is_some() && report.loadable {
            // What headers do not show: a damaged tokenizer, or a part of another model family.
            let checked = model.open(&OpenOptions::default()).and_then(|whole| Ok(Pipeline::check(&whole, None)?));
            report.problems.extend(checked.err().map(|error| one_line(&error)));
            report.loadable = report.problems.is_empty();
        }
        let recommended = match (&report.recommendation, &report.scheduler) {
            (Some(said), Some(scheduler)) => Some(model.recommended(said, scheduler)?),
            _ => None,
        };
        let card = (*model == ModelChoice::Starter).then(starter_model::card);
        let memory = MemoryReport::of(&report);
        let extra = Extra::of(&report.path);
        Ok(Self { report, memory, recommended, card, extra })
    }

    /// Returns the description if the server could offer the checkpoint as a model.
    fn offered(self) -> Result<Self> {
        let problems = self.report.problems.join("; ");
        anyhow::ensure!(self.report.loadable, "{problems}");
        anyhow::ensure!(
            self.recommended.is_some(),
            "this is {}; only SDXL base checkpoints are supported",
            self.report.family
        );
        Ok(self)
    }

    fn text(&self, json: bool) -> Result<String> {
        if json {
            return serde_json::to_string_pretty(self).context("the report cannot be written as JSON");
        }
        Ok(self.to_string())
    }
}

impl Display for Described {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(extra) = &self.extra {
            return extra.fmt(f);
        }
        Summary { report: &self.report, memory: self.memory.as_ref() }.fmt(f)?;
        if let Some(recommended) = &self.recommended {
            write!(f, "\n  recommended")?;
            for (name, value, source) in recommended.lines() {
                write!(f, "\n    {name:<11} {value:<18} {source}")?;
            }
            for note in &recommended.notes {
                write!(f, "\n    note: {}", note.text)?;
            }
        }
        self.card.map_or(Ok(()), |card| CardText(card).fmt(f))
    }
}

/// The model card as text.
struct CardText<'a>(&'a Card);

impl Display for CardText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Card { recommended, .. } = self.0;
        let generation::Recommended { width, height, steps, cfg_scale, sampler, scheduler, .. } = recommended;
        write!(f, "\n\n{}\n{}\n", self.0.title, self.0.summary)?;
        writeln!(f, "  draws         {}", self.0.objects.join(", "))?;
        writeln!(f, "  in colours    {}: {}", self.0.recolourable.join(", "), self.0.colours.join(", "))?;
        writeln!(f, "  backgrounds   {}", self.0.backgrounds.join(", "))?;
        writeln!(f, "  a prompt      {}", self.0.wording)?;
        write!(f, "  best at       {width}x{height}, {steps} steps, {sampler}, {scheduler}, cfg scale {cfg_scale}")?;
        for limit in &self.0.limits {
            write!(f, "\n  - {limit}")?;
        }
        Ok(())
    }
}

/// The report as text.
struct Summary<'a> {
    report: &'a Report,
    memory: Option<&'a MemoryReport>,
}

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.report;
        writeln!(f, "{}", report.path.display())?;
        writeln!(f, "  model       {}", name_of(&report.family))?;
        writeln!(f, "  layout      {}", name_of(&report.layout))?;
        writeln!(f, "  files       {}, {:.1} MB", report.files.len(), megabytes(report))?;
        writeln!(f, "  parameters  {} ({})", report.parameters, shares(&report.dtypes))?;
        for part in &report.parts {
            writeln!(f, "  {:<14}  {} ({})", part.part.to_string(), part.parameters, shares(&part.dtypes))?;
            let misshapen: Vec<_> = part.misshapen.iter().map(name_of).collect();
            list(f, "missing", &part.missing)?;
            list(f, "unexpected", &part.unexpected)?;
            list(f, "misshapen", &misshapen)?;
        }
        list(f, "unexpected", &report.unexpected)?;
        if let Some(memory) = self.memory {
            writeln!(f, "  memory      {memory}")?;
        }
        if let Some(sampling) = report.scheduler.as_ref().and_then(special_sampling) {
            writeln!(f, "  sampling    {sampling}")?;
        }
        if report.loadable {
            return write!(f, "  loadable    yes");
        }
        write!(f, "  loadable    no")?;
        for problem in &report.problems {
            write!(f, "\n    {problem}")?;
        }
        Ok(())
    }
}

/// What differs from SDXL's own noise schedule.
fn special_sampling(scheduler: &SchedulerConfig) -> Option<&'static str> {
    match scheduler.sampling {
        ModelSampling::Discrete => scheduler.rescale_betas_zero_snr.then_some("zero terminal SNR"),
        ModelSampling::Edm { .. } => Some("EDM, as in Playground 2.5"),
        ModelSampling::ContinuousV { .. } => Some("continuous noise levels, as in CosXL"),
    }
}

/// Writes at most ten names: a wrong file can have thousands.
fn list(f: &mut Formatter<'_>, what: &str, names: &[String]) -> fmt::Result {
    const MOST: usize = 10;
    for name in names.iter().take(MOST) {
        writeln!(f, "    {what}: {name}")?;
    }
    match names.len().checked_sub(MOST) {
        Some(more @ 1..) => writeln!(f, "    {what}: and {more} more (--json lists all)"),
        _ => Ok(()),
    }
}

fn megabytes(report: &Report) -> f64 {
    report.files.iter().map(|file| file.bytes).sum::<u64>() as f64 / 1e6
}
