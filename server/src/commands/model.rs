//! Which model a command works with: one from the disk, or the one inside this program.

use anyhow::{Context, Result};
use checkpoint::{Checkpoint, OpenOptions, Report};
use std::{
    convert::Infallible,
    fmt::{self, Display, Formatter},
    path::{Path, PathBuf},
    str::FromStr,
};

/// A model by what `--model` names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelChoice {
    /// The one inside this program, by its name; a folder of that name is `./starter`.
    #[default]
    Starter,
    /// A file or folder.
    Path(PathBuf),
}

impl FromStr for ModelChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == starter_model::NAME { Self::Starter } else { Self::Path(text.into()) })
    }
}

impl ModelChoice {
    /// The path as it was given, or the starter model's name.
    pub fn path(&self) -> &Path {
        match self {
            Self::Starter => Path::new(starter_model::NAME),
            Self::Path(path) => path,
        }
    }

    /// The model's name as a picture records it: no path.
    pub fn name(&self) -> String {
        let path = self.path();
        let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
        stem.map_or_else(|| path.display().to_string(), |name| Path::new(name).display().to_string())
    }

    /// Opens it.
    ///
    /// # Errors
    /// What is no SDXL checkpoint.
    pub fn open(&self, options: &OpenOptions) -> Result<Checkpoint> {
        Ok(match self {
            Self::Starter => starter_model::checkpoint()?,
            Self::Path(path) => Checkpoint::open_with(path, options)?,
        })
    }

    /// Describes it.
    ///
    /// # Errors
    /// What is no safetensors file or folder.
    pub fn inspect(&self, options: &OpenOptions) -> Result<Report> {
        Ok(match self {
            Self::Starter => checkpoint::inspect_memory(&starter_model::folder()?, options)?,
            Self::Path(path) => checkpoint::inspect(path, options)?,
        })
    }

    /// The settings that suit it.
    ///
    /// # Errors
    /// A card with a sampler or schedule that is none.
    pub fn settings(&self) -> Result<Settings> {
        Ok(match self {
            Self::Path(_) => Settings::default(),
            Self::Starter => {
                let card = &starter_model::card().recommended;
                let (sampler, scheduler) = (card.sampler.parse(), card.scheduler.parse());
                Settings {
                    width: card.width,
                    height: card.height,
                    steps: card.steps,
                    cfg_scale: card.cfg_scale,
                    sampler: sampler.context("the starter model's card")?,
                    scheduler: scheduler.context("the starter model's card")?,
                }
            }
        })
    }
}

impl Display for ModelChoice {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

/// What a picture is made with unless an option says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Strength of the guidance.
    pub cfg_scale: f64,
    /// Sampling method.
    pub sampler: diffusion::Sampler,
    /// Noise schedule.
    pub scheduler: diffusion::Schedule,
}

impl Default for Settings {
    /// SDXL's.
    fn default() -> Self {
        let sdxl::Params { width, height, steps, cfg_scale, sampler, schedule, .. } = sdxl::Params::default();
        Self { width, height, steps: steps as u32, cfg_scale, sampler, scheduler: schedule }
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
