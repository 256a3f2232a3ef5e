//! The report as text for users.

use crate::{Dtype, ModelSampling, PartReport, PredictionSource, Report};
use std::{collections::BTreeMap, fmt};

/// How many names of each kind are listed; the data contains all.
const SHOWN: usize = 10;

impl fmt::Display for Report {
    /// A few lines: model, path, size, parts, and problems that prevent loading.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} ({})", self.path.display(), self.family, self.layout)?;
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        let files = if self.files.len() == 1 { "1 file".into() } else { format!("{} files", self.files.len()) };
        writeln!(f, "{files}, {:.2} GB, {} parameters{}", bytes as f64 / 1e9, self.parameters, Shares(&self.dtypes))?;
        if let Some(scheduler) = &self.scheduler {
            let predicts = scheduler.prediction_type.short_name();
            let source = match &scheduler.prediction_source {
                PredictionSource::SchedulerConfig => "scheduler_config.json".to_owned(),
                PredictionSource::Tensor(name) => format!("the tensor {name}"),
                PredictionSource::Metadata(key) => format!("the metadata's {key}"),
                PredictionSource::Default => "SDXL's default; the file does not tell".to_owned(),
            };
            let over = match scheduler.sampling {
                ModelSampling::Discrete if scheduler.rescale_betas_zero_snr => ", zero terminal SNR",
                ModelSampling::Discrete => "",
                ModelSampling::Edm { .. } => ", EDM",
                ModelSampling::ContinuousV { .. } => ", continuous noise levels",
            };
            writeln!(f, "predicts {predicts}{over} ({source})")?;
        }
        for part in &self.parts {
            write!(f, "{part}")?;
        }
        names(f, "of no part", self.unexpected.iter())?;
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        writeln!(f, "{}", if self.loadable { "can be loaded" } else { "cannot be loaded" })
    }
}

impl fmt::Display for PartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} parameters{}", self.part, self.parameters, Shares(&self.dtypes))?;
        names(f, "missing", self.missing.iter())?;
        names(f, "unexpected", self.unexpected.iter())?;
        let shape = |m: &crate::Misshapen| format!("{} is {:?}, needs {:?}", m.name, m.found, m.expected);
        names(f, "misshapen", self.misshapen.iter().map(shape))?;
        let dtype = |(name, dtype): &(String, Dtype)| format!("{name} ({dtype})");
        names(f, "unreadable", self.unreadable.iter().map(dtype))?;
        match self.ignored.len() {
            0 => Ok(()),
            count => writeln!(f, "  ignored: {count}"),
        }
    }
}

fn names<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    mut of: impl ExactSizeIterator<Item = T>,
) -> fmt::Result {
    let more = of.len().saturating_sub(SHOWN);
    for name in of.by_ref().take(SHOWN) {
        writeln!(f, "  {what}: {name}")?;
    }
    if more > 0 { writeln!(f, "  {what}: and {more} more") } else { Ok(()) }
}

/// ", f16", or ", f16 99.9%, f32 0.1%".
struct Shares<'a>(&'a BTreeMap<Dtype, u64>);

impl fmt::Display for Shares<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.0.values().sum();
        for (dtype, count) in self.0 {
            write!(f, ", {dtype}")?;
            if self.0.len() > 1 {
                write!(f, " {:.1}%", *count as f64 * 100.0 / all.max(1) as f64)?;
            }
        }
        Ok(())
    }
}
