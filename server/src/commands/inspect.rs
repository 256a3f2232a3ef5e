//! `emberline inspect`: what a checkpoint is, from its headers alone; of a picture, the record that it carries.

use crate::commands::{model::ModelChoice, picture};
use anyhow::{Context, Result};
use checkpoint::{OpenOptions, Report};
use clap::Args;
use serde::Serialize;
use starter_model::{Card, Recommended};
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    io::{self, Write},
};

/// Options of `emberline inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// A safetensors file or a diffusers folder, or `starter`, the model inside this program; or a PNG, JPEG or WebP
    /// picture, whose record of how it was made is shown.
    #[arg(value_name = "PATH")]
    pub path: ModelChoice,

    /// Print the whole report as JSON.
    #[arg(long, env = "EMBERLINE_JSON")]
    pub json: bool,
}

/// Prints the report. What is not loadable is still described, with status 0: the question was what it is.
pub fn run(args: &InspectArgs) -> Result<()> {
    if let ModelChoice::Path(path) = &args.path
        && picture::is_picture(path)
    {
        return picture::run(path, args.json);
    }
    let report = args.path.inspect(&OpenOptions::default())?;
    let card = (args.path == ModelChoice::Starter).then(starter_model::card);
    let text = if args.json {
        serde_json::to_string_pretty(&Described { report, card }).context("the report cannot be written as JSON")?
    } else {
        let card = card.map(|card| CardText(card).to_string()).unwrap_or_default();
        format!("{}{card}", Summary(&report))
    };
    writeln!(io::stdout().lock(), "{text}").context("cannot print the report")
}

/// The JSON: the report, and the card of the one model that has one.
#[derive(Serialize)]
struct Described {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'static Card>,
}

/// The card for people, after the report.
struct CardText<'a>(&'a Card);

impl Display for CardText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Card { recommended, .. } = self.0;
        let Recommended { width, height, steps, cfg_scale, sampler, scheduler } = recommended;
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

/// The report for people.
struct Summary<'a>(&'a Report);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.0;
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
        if let Some(memory) = &report.memory {
            writeln!(f, "  memory      {memory}")?;
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

/// At most ten of a list: a wrong file can have thousands.
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

fn shares<D: Serialize>(dtypes: &BTreeMap<D, u64>) -> String {
    dtypes.keys().map(name_of).collect::<Vec<_>>().join(", ")
}

/// A value by the name that the JSON report gives it.
fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => "?".to_owned(),
    }
}
