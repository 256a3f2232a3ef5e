//! What `emberline inspect` prints about a LoRA, an embedding or an upscaler.

use super::text::{name_of, shares};
use anyhow::{Context, Result};
use checkpoint::{EmbeddingFile, FileKind, LoraReport, Part, UpscalerFile, sniff};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    path::{Path, PathBuf},
};

/// A file that is used beside a checkpoint.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extra {
    /// A LoRA or a relative of it.
    Lora(Box<LoraReport>),
    /// A textual inversion.
    Embedding(EmbeddingReport),
    /// An upscaling network.
    Upscaler(UpscalerReport),
}

/// Description of an upscaler.
#[derive(Serialize)]
pub struct UpscalerReport {
    #[serde(skip)]
    path: PathBuf,
    /// The network; none if it cannot be used.
    network: Option<&'static str>,
    /// The factor.
    scale: Option<usize>,
    /// Why it cannot be used.
    problem: Option<String>,
}

/// Description of an embedding.
#[derive(Serialize)]
pub struct EmbeddingReport {
    #[serde(skip)]
    path: PathBuf,
    /// Its name in prompts.
    name: String,
    /// Number of vectors for each encoder; 0 if it cannot be used.
    vectors: usize,
    /// Values of each vector, by encoder.
    widths: BTreeMap<Part, usize>,
    /// Why it cannot be used.
    problem: Option<String>,
}

impl Extra {
    /// Describes a file, if it is a LoRA, an embedding or an upscaler.
    pub fn of(path: &Path) -> Option<Self> {
        match sniff(path) {
            FileKind::Lora => LoraReport::read(path).ok().map(|report| Self::Lora(Box::new(report))),
            FileKind::Embedding => Some(Self::Embedding(EmbeddingReport::of(path))),
            FileKind::Upscaler => Some(Self::Upscaler(UpscalerReport::of(path))),
            // A pickle, of which only upscalers are read.
            FileKind::Unreadable(_) => {
                Some(UpscalerReport::of(path)).filter(|report| report.problem.is_none()).map(Self::Upscaler)
            }
            _ => None,
        }
    }
}

impl Extra {
    /// The description, or its JSON.
    ///
    /// # Errors
    /// The JSON cannot be written.
    pub fn text(&self, json: bool) -> Result<String> {
        if json {
            return serde_json::to_string_pretty(self).context("the report cannot be written as JSON");
        }
        Ok(self.to_string())
    }
}

impl UpscalerReport {
    fn of(path: &Path) -> Self {
        let (spec, problem) = match UpscalerFile::inspect(path) {
            Ok(spec) => (Some(spec), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let (network, scale) = (spec.map(|spec| spec.name()), spec.map(|spec| spec.scale()));
        Self { path: path.to_owned(), network, scale, problem }
    }
}

impl EmbeddingReport {
    fn of(path: &Path) -> Self {
        match EmbeddingFile::open(path) {
            Ok(embedding) => Self {
                path: path.to_owned(),
                name: embedding.name().to_owned(),
                vectors: embedding.len(),
                widths: [Part::TextEncoder, Part::TextEncoder2].map(|part| (part, embedding.width(part))).into(),
                problem: None,
            },
            Err(error) => {
                let name = path.file_stem().map(|stem| Path::new(stem).display().to_string()).unwrap_or_default();
                Self {
                    path: path.to_owned(),
                    name,
                    vectors: 0,
                    widths: BTreeMap::new(),
                    problem: Some(error.to_string()),
                }
            }
        }
    }
}

impl Display for Extra {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lora(report) => lora(f, report),
            Self::Embedding(report) => embedding(f, report),
            Self::Upscaler(report) => upscaler(f, report),
        }
    }
}

/// One line: a label and its text, unless there is none.
fn line(f: &mut Formatter<'_>, label: &str, text: Option<impl Display>) -> fmt::Result {
    text.map_or(Ok(()), |text| write!(f, "\n  {label:<11} {text}"))
}

fn upscaler(f: &mut Formatter<'_>, report: &UpscalerReport) -> fmt::Result {
    write!(f, "{}", report.path.display())?;
    line(f, "model", Some("upscaler"))?;
    line(f, "network", report.network)?;
    line(f, "factor", report.scale)?;
    line(f, "problem", report.problem.as_ref())
}

fn lora(f: &mut Formatter<'_>, report: &LoraReport) -> fmt::Result {
    write!(f, "{}", report.path.display())?;
    line(f, "model", Some("lora"))?;
    let mut kinds: Vec<String> = report.kinds.iter().map(name_of).collect();
    kinds.extend(report.dora.then(|| "dora".to_owned()));
    line(f, "kinds", Some(kinds.join(", ")).filter(|kinds| !kinds.is_empty()))?;
    let ranks = match report.ranks.as_slice() {
        [] => None,
        [rank] => Some(rank.to_string()),
        [first, .., last] => Some(format!("{first} to {last}")),
    };
    line(f, "ranks", ranks)?;
    line(f, "size", Some(format!("{:.1} MB ({})", report.bytes as f64 / 1e6, shares(&report.dtypes))))?;
    let parts: Vec<String> = report.parts.iter().map(|(part, layers)| format!("{part} {layers}")).collect();
    line(f, "layers", Some(format!("{} ({})", report.layers, parts.join(", "))))?;
    line(f, "base", report.base.as_ref().map(|base| format!("{} ({})", base.model, base.evidence)))?;
    line(f, "trained on", report.trained_on.as_ref())?;
    line(f, "title", report.title.as_ref())?;
    line(f, "author", report.author.as_ref())?;
    line(f, "resolution", report.resolution.as_ref())?;
    line(f, "output name", report.output_name.as_ref())?;
    let words: Vec<String> = report
        .trigger_words
        .iter()
        .map(|word| match word.count {
            Some(count) => format!("{} ({count})", word.text),
            None => word.text.clone(),
        })
        .collect();
    line(f, "words", Some(words.join(", ")).filter(|words| !words.is_empty()))?;
    line(f, "embeddings", Some(report.embeddings.join(", ")).filter(|names| !names.is_empty()))?;
    line(f, "problem", report.problem.as_ref())
}

fn embedding(f: &mut Formatter<'_>, report: &EmbeddingReport) -> fmt::Result {
    write!(f, "{}", report.path.display())?;
    line(f, "model", Some("textual_inversion"))?;
    line(f, "name", Some(&report.name))?;
    if report.problem.is_none() {
        let widths: Vec<String> = report.widths.iter().map(|(part, width)| format!("{part} {width}")).collect();
        line(f, "vectors", Some(format!("{} ({})", report.vectors, widths.join(", "))))?;
    }
    line(f, "problem", report.problem.as_ref())
}
