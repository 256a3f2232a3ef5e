//! Recommended settings of a model: from the checkpoint, otherwise Emberline's defaults.

use anyhow::{Context, Result};
use checkpoint::{Note, PredictionSource, Recommendation, Said, SchedulerConfig};
use generation::{Prediction, Recommended as Settings, Sampler, Schedule, limits};
use serde::Serialize;

/// Source of a setting that the checkpoint does not specify.
const DEFAULT: &str = "Emberline's default";

/// Recommended `cfg_rescale` of a model that predicts v and was trained with zero terminal SNR: without it guidance
/// overexposes its pictures (Lin et al. 2023, section 3.4).
const ZERO_SNR_RESCALE: f64 = 0.7;

/// Recommended settings of a model, each with its source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommended {
    /// Width in pixels.
    pub width: Said<u32>,
    /// Height in pixels.
    pub height: Said<u32>,
    /// Sampling steps.
    pub steps: Said<u32>,
    /// Guidance scale.
    pub cfg_scale: Said<f64>,
    /// Share of the guided prediction's contrast that is removed.
    pub cfg_rescale: Said<f64>,
    /// Sampling method.
    pub sampler: Said<Sampler>,
    /// Noise schedule.
    pub scheduler: Said<Schedule>,
    /// What the UNet predicts.
    pub prediction: Said<Prediction>,
    /// Settings of the checkpoint that cannot be applied exactly.
    pub notes: Vec<Note>,
    #[serde(skip)]
    settings: Settings,
}

impl Recommended {
    /// Settings of a checkpoint.
    ///
    /// # Errors
    /// The checkpoint names a sampler or schedule that the crate `diffusion` does not know.
    pub fn of_checkpoint(said: &Recommendation, scheduler: &SchedulerConfig) -> Result<Self> {
        let mut settings = Settings::default();
        let (mut size, mut sampler, mut schedule) = (DEFAULT, DEFAULT, DEFAULT);
        let mut notes = said.notes.clone();
        if let Some(Said { value, source }) = &said.size_px {
            let [width, height] = value.map(nearest_side);
            if [width, height] != *value {
                let [w, h] = value;
                let text =
                    format!("it is made for {w} x {h} pixels; the nearest that Emberline makes is {width} x {height}");
                notes.push(Note { field: "size", text });
            }
            (settings.width, settings.height) = (width, height);
            size = source.as_str();
        }
        if let Some(Said { value, source }) = &said.sampler {
            settings.sampler = value.parse().context("the checkpoint's sampler")?;
            sampler = source.as_str();
        }
        if let Some(Said { value, source }) = &said.schedule {
            settings.scheduler = value.parse().context("the checkpoint's schedule")?;
            schedule = source.as_str();
        }
        let mut rescale = DEFAULT;
        if scheduler.rescale_betas_zero_snr && scheduler.prediction_type == Prediction::V {
            settings.cfg_rescale = ZERO_SNR_RESCALE;
            rescale = "zero terminal SNR";
        }
        Ok(Self::new(settings, [size, DEFAULT, rescale, sampler, schedule], scheduler, notes))
    }

    /// Settings of the starter model, from its card.
    pub fn of_card(card: &Settings, scheduler: &SchedulerConfig) -> Self {
        Self::new(card.clone(), ["the model's card"; 5], scheduler, Vec::new())
    }

    /// `sources`: of the size, of steps and guidance scale, of the rescaling, of the sampler, of the schedule.
    fn new(settings: Settings, sources: [&str; 5], scheduler: &SchedulerConfig, notes: Vec<Note>) -> Self {
        fn said<T>(value: T, source: &str) -> Said<T> {
            Said { value, source: source.to_owned() }
        }
        let [size, numbers, rescale, sampler, schedule] = sources;
        Self {
            width: said(settings.width, size),
            height: said(settings.height, size),
            steps: said(settings.steps, numbers),
            cfg_scale: said(settings.cfg_scale, numbers),
            cfg_rescale: said(settings.cfg_rescale, rescale),
            sampler: said(settings.sampler, sampler),
            scheduler: said(settings.scheduler, schedule),
            prediction: said(scheduler.prediction_type, &prediction_source(&scheduler.prediction_source)),
            notes,
            settings,
        }
    }

    /// The settings without their sources.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Name, value and source of each setting as text.
    pub fn lines(&self) -> [(&'static str, String, &str); 7] {
        [
            ("size", format!("{} x {}", self.width.value, self.height.value), self.width.source.as_str()),
            ("steps", self.steps.value.to_string(), self.steps.source.as_str()),
            ("cfg scale", self.cfg_scale.value.to_string(), self.cfg_scale.source.as_str()),
            ("cfg rescale", self.cfg_rescale.value.to_string(), self.cfg_rescale.source.as_str()),
            ("sampler", self.sampler.value.to_string(), self.sampler.source.as_str()),
            ("schedule", self.scheduler.value.to_string(), self.scheduler.source.as_str()),
            ("prediction", self.prediction.value.short_name().to_owned(), self.prediction.source.as_str()),
        ]
    }
}

/// The nearest allowed side length.
fn nearest_side(px: u32) -> u32 {
    let step = limits::SIDE_STEP_PX;
    let (least, most) = (*limits::SIDE_PX.start(), *limits::SIDE_PX.end());
    (px.saturating_add(step / 2) / step * step).clamp(least, most)
}

fn prediction_source(source: &PredictionSource) -> String {
    match source {
        PredictionSource::SchedulerConfig => "scheduler_config.json prediction_type".to_owned(),
        PredictionSource::Tensor(name) => format!("tensor {name}"),
        PredictionSource::Metadata(key) => format!("metadata {key}"),
        PredictionSource::Default => DEFAULT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_size(size: [u32; 2]) -> Recommended {
        let said = Recommendation {
            size_px: Some(Said { value: size, source: "UNet sample_size".to_owned() }),
            ..Recommendation::default()
        };
        Recommended::of_checkpoint(&said, &SchedulerConfig::default()).expect("known names")
    }

    #[test]
    fn a_size_beyond_the_limits_is_brought_to_the_nearest_and_said() {
        for (asked, made) in [([512, 768], [512, 768]), ([32, 4096], [64, 2048]), ([1001, 1020], [1000, 1024])] {
            let of = of_size(asked);
            assert_eq!([of.width.value, of.height.value], made);
            assert_eq!(of.notes.len(), usize::from(asked != made), "{asked:?}");
        }
    }

    #[test]
    fn what_the_checkpoint_does_not_say_is_emberlines() {
        let of = Recommended::of_checkpoint(&Recommendation::default(), &SchedulerConfig::default()).expect("known");
        assert_eq!(of.settings(), &Settings::default());
        assert!(of.lines().iter().all(|(_, _, source)| *source == DEFAULT), "{:?}", of.lines());
    }

    #[test]
    fn only_v_prediction_with_zero_terminal_snr_is_rescaled() {
        for (prediction_type, rescale_betas_zero_snr, expected) in
            [(Prediction::V, true, ZERO_SNR_RESCALE), (Prediction::V, false, 0.0), (Prediction::Epsilon, true, 0.0)]
        {
            let scheduler = SchedulerConfig { prediction_type, rescale_betas_zero_snr, ..SchedulerConfig::default() };
            let of = Recommended::of_checkpoint(&Recommendation::default(), &scheduler).expect("known");
            let (said, settings) = (of.cfg_rescale.value, of.settings().cfg_rescale);
            assert_eq!((said, settings), (expected, expected), "{prediction_type} {rescale_betas_zero_snr}");
        }
    }
}
