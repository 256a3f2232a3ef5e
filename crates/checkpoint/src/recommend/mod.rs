//! The settings that a checkpoint recommends for sampling, and where it gives them: the UNet's `sample_size`,
//! scheduler_config.json, the metadata of a single file.

mod classes;
mod components;
mod sampling;
mod size;

use crate::{
    Error, ModelSampling, Part, SchedulerConfig,
    config::{ConfigFile, SCHEDULER_CONFIG},
    shape::Shape,
    source::Sources,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A setting, and where the checkpoint gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said<T> {
    /// The setting.
    pub value: T,
    /// The source, for users: `scheduler_config.json timestep_spacing`.
    pub source: String,
}

impl<T> Said<T> {
    fn new(value: T, source: impl Into<String>) -> Self {
        Self { value, source: source.into() }
    }
}

/// A request of the checkpoint that is not followed exactly, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The setting: `size`, `steps`, `sampler` or `scheduler`; `model` for parts of the checkpoint.
    pub field: &'static str,
    /// One sentence without its full stop.
    pub text: String,
}

/// A checkpoint's recommended settings. Settings that it does not give are `None`: the caller has defaults.
///
/// Samplers and schedules have the names of the crate `diffusion`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recommendation {
    /// Width and height of the pictures used in training, in pixels.
    pub size_px: Option<Said<[u32; 2]>>,
    /// Sampling method.
    pub sampler: Option<Said<&'static str>>,
    /// Noise schedule.
    pub schedule: Option<Said<&'static str>>,
    /// Further or different requests of the checkpoint.
    pub notes: Vec<Note>,
}

impl Recommendation {
    /// The recommendation of a checkpoint with a UNet.
    ///
    /// # Errors
    /// A value of the wrong type in scheduler_config.json.
    pub(crate) fn read(
        sources: &Sources,
        shapes: &BTreeMap<Part, Shape>,
        scheduler: &SchedulerConfig,
    ) -> Result<Self, Error> {
        let mut notes = Vec::new();
        components::notes(sources, shapes, scheduler, &mut notes);
        let size_px = size::trained(sources, shapes, &mut notes);
        let (sampler, schedule) = match sources.index.is_some() && sources.place.has(SCHEDULER_CONFIG) {
            true => sampling::of_config(&ConfigFile::read(&sources.place, SCHEDULER_CONFIG)?, &mut notes)?,
            // diffusers' `sigma_schedule` for Playground 2.5, and for CosXL.
            false if scheduler.sampling != ModelSampling::Discrete => {
                let is_cosxl = matches!(scheduler.sampling, ModelSampling::ContinuousV { .. });
                let name = if is_cosxl { "exponential" } else { "karras" };
                (None, Some(Said::new(name, "continuous noise levels")))
            }
            // A model trained to zero terminal SNR expects pure noise at its first step (Lin et al. 2023, section 3.3).
            false if scheduler.rescale_betas_zero_snr => (None, Some(Said::new("trailing", "zero terminal SNR"))),
            false => (None, None),
        };
        Ok(Self { size_px, sampler, schedule, notes })
    }
}
