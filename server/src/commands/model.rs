//! The model of a command: a checkpoint on disk or the embedded starter model.

use super::{
    scan::{Candidate, Found, Refused, is_folder_of_models, scan},
    settings::Recommended,
};
use anyhow::{Result, anyhow, bail};
use checkpoint::{Checkpoint, OpenOptions, Recommendation, Report, SchedulerConfig};
use std::{
    convert::Infallible,
    fmt::{self, Display, Formatter},
    path::{Path, PathBuf},
    str::FromStr,
};

/// Value of `--model`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelChoice {
    /// The embedded starter model. A folder of the same name is written `./starter`.
    #[default]
    Starter,
    /// A checkpoint file or a folder.
    Path(PathBuf),
}

impl FromStr for ModelChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == starter_model::NAME { Self::Starter } else { Self::Path(text.into()) })
    }
}

impl ModelChoice {
    /// Path as given, or the starter model's name.
    pub fn path(&self) -> &Path {
        match self {
            Self::Starter => Path::new(starter_model::NAME),
            Self::Path(path) => path,
        }
    }

    /// Model name for picture records, without the path.
    pub fn name(&self) -> String {
        let path = self.path();
        // Imported pictures have this word in the model field.
        let reserved = path.file_stem().is_some_and(|stem| stem == protocol::IMPORTED);
        let stem = if path.is_dir() || reserved { path.file_name() } else { path.file_stem() };
        stem.map_or_else(|| path.display().to_string(), |name| Path::new(name).display().to_string())
    }

    /// Opens the checkpoint.
    ///
    /// # Errors
    /// The path is not an SDXL checkpoint.
    pub fn open(&self, options: &OpenOptions) -> Result<Checkpoint> {
        Ok(match self {
            Self::Starter => starter_model::checkpoint()?,
            Self::Path(path) => Checkpoint::open_with(path, options)?,
        })
    }

    /// Returns a report on the checkpoint without loading it.
    ///
    /// # Errors
    /// The path is neither a safetensors file nor a diffusers folder.
    pub fn inspect(&self, options: &OpenOptions) -> Result<Report> {
        Ok(match self {
            Self::Starter => checkpoint::inspect_memory(&starter_model::folder()?, options)?,
            Self::Path(path) => checkpoint::inspect(path, options)?,
        })
    }

    /// Recommended settings of the model, from its open checkpoint.
    ///
    /// # Errors
    /// The checkpoint names an unknown sampler or schedule.
    pub fn recommended(&self, said: &Recommendation, scheduler: &SchedulerConfig) -> Result<Recommended> {
        match self {
            Self::Path(_) => Recommended::of_checkpoint(said, scheduler),
            Self::Starter => Ok(Recommended::of_card(&starter_model::card().recommended, scheduler)),
        }
    }

    /// Resolves a folder of models to its only checkpoint, for commands that cannot offer a choice. Other paths are
    /// returned unchanged.
    ///
    /// # Errors
    /// The folder has no usable checkpoint, or several.
    pub fn only_one(self, options: &OpenOptions) -> Result<Self> {
        let Self::Path(folder) = &self else { return Ok(self) };
        if !is_folder_of_models(folder) {
            return Ok(self);
        }
        let found = usable(folder, |candidate| {
            let model = Self::Path(candidate.path.clone());
            model.open(options)?;
            Ok(model)
        });
        let no_model = |error| anyhow!("{self}: has no model_index.json: not a diffusers folder; {error:#}");
        let (mut usable, refused) = found.map_err(no_model)?;
        match (usable.len(), usable.pop()) {
            (1, Some(model)) => {
                for Refused { file, reason } in refused {
                    tracing::warn!(file, reason, "cannot be used as a model");
                }
                tracing::info!(%model, "the only checkpoint of the folder");
                Ok(model)
            }
            (count, last) => {
                let paths = usable.iter().chain(&last).take(SHOWN).map(Self::to_string).collect::<Vec<_>>().join(", ");
                let more = if count > SHOWN { ", ..." } else { "" };
                bail!("--model {self}: there are {count} checkpoints in it; name one of them: {paths}{more}")
            }
        }
    }
}

/// Maximum number of names in an error message.
const SHOWN: usize = 5;

/// Returns `open`'s results for the checkpoints in a folder, and the files that it refused.
///
/// # Errors
/// The folder cannot be read, or has no usable checkpoint. The message lists the reasons.
pub fn usable<T>(folder: &Path, open: impl Fn(&Candidate) -> Result<T>) -> Result<(Vec<T>, Vec<Refused>)> {
    let Found { candidates, mut refused } = scan(folder)?;
    let mut usable = Vec::new();
    for candidate in &candidates {
        match open(candidate) {
            Ok(opened) => usable.push(opened),
            Err(error) => refused.push(Refused::new(candidate, &error)),
        }
    }
    if !usable.is_empty() {
        return Ok((usable, refused));
    }
    if refused.is_empty() {
        bail!("there is no .safetensors file and no diffusers folder in it");
    }
    let reasons = refused.iter().take(SHOWN).map(|Refused { file, reason }| format!("{file}: {reason}"));
    let more = if refused.len() > SHOWN { format!("; and {} more", refused.len() - SHOWN) } else { String::new() };
    bail!("nothing in it can be used: {}{more}", reasons.collect::<Vec<_>>().join("; "))
}

impl Display for ModelChoice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bare_name_means_the_model_inside() {
        for (text, starter) in [("starter", true), ("./starter", false), ("starter/", false), ("Starter", false)] {
            let choice: ModelChoice = text.parse().expect("any text");
            assert_eq!(choice == ModelChoice::Starter, starter, "{text}");
        }
    }
}
