//! The training schedule, from scheduler_config.json or from marks in a single file.

use super::{
    BetaSchedule, Latent2Rgb, PredictionSource, PredictionType, SchedulerConfig, TimestepSpacing, json::ConfigFile,
    scheduler_defaults::Defaults,
};
use crate::{error::Error, place::Place};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The path of the scheduler's config inside a diffusers folder.
pub(crate) const SCHEDULER_CONFIG: &str = "scheduler/scheduler_config.json";

/// Reads scheduler_config.json. Absent keys have diffusers' defaults, which differ from SDXL's values.
pub(crate) fn scheduler_from_json(file: &ConfigFile) -> Result<SchedulerConfig, Error> {
    let class = file.text("_class_name")?.unwrap_or_default().to_owned();
    if class.starts_with("EDM") || class.starts_with("FlowMatch") {
        return Err(file.bad("_class_name", "a scheduler over betas (EulerDiscreteScheduler and the like)"));
    }
    file.must_be("trained_betas", &[Value::Null])?;
    let prediction_type = match file.text("prediction_type")? {
        None | Some("epsilon") => PredictionType::Epsilon,
        Some("v_prediction") => PredictionType::V,
        Some(_) => return Err(file.bad("prediction_type", "epsilon or v_prediction")),
    };
    if class == "EulerDiscreteScheduler" {
        // With "continuous" the network's input would be 0.25 * ln(sigma) instead of a timestep.
        file.must_be("timestep_type", &["discrete".into(), Value::Null])?;
    }
    let defaults = Defaults::of(&class);
    let beta_schedule = match file.text("beta_schedule")? {
        Some("scaled_linear") => BetaSchedule::ScaledLinear,
        Some("linear") => BetaSchedule::Linear,
        None if defaults.scaled_linear => BetaSchedule::ScaledLinear,
        None => BetaSchedule::Linear,
        Some(_) => return Err(file.bad("beta_schedule", "scaled_linear or linear")),
    };
    let timestep_spacing = match file.text("timestep_spacing")? {
        Some("leading") => TimestepSpacing::Leading,
        Some("linspace") => TimestepSpacing::Linspace,
        Some("trailing") => TimestepSpacing::Trailing,
        None => defaults.timestep_spacing,
        Some(_) => return Err(file.bad("timestep_spacing", "leading, linspace or trailing")),
    };
    let config = SchedulerConfig {
        prediction_type,
        prediction_source: PredictionSource::SchedulerConfig,
        beta_schedule,
        beta_start: file.positive("beta_start", defaults.beta_start)?,
        beta_end: file.positive("beta_end", defaults.beta_end)?,
        num_train_timesteps: file.size("num_train_timesteps", Some(1000), 1..=1_000_000)?,
        rescale_betas_zero_snr: file.flag("rescale_betas_zero_snr", false)?,
        timestep_spacing,
        steps_offset: file.size("steps_offset", Some(0), 0..=1_000_000)?,
    };
    for (key, beta) in [("beta_start", config.beta_start), ("beta_end", config.beta_end)] {
        if beta >= 1.0 {
            return Err(file.bad(key, "a number below 1"));
        }
    }
    Ok(config)
}

/// The schedule of a single file: given by a `v_pred` or `ztsnr` tensor (ComfyUI's convention), or by metadata
/// (ModelSpec's `modelspec.prediction_type`, kohya's `ss_v_parameterization` and `ss_zero_terminal_snr`).
pub(crate) fn scheduler_from_tensors(
    has: impl Fn(&str) -> bool,
    metadata: &BTreeMap<String, String>,
) -> SchedulerConfig {
    let says = |key: &str, values: &[&str]| {
        metadata.get(key).is_some_and(|said| values.iter().any(|value| said.eq_ignore_ascii_case(value)))
    };
    let (prediction_type, prediction_source) = if has("v_pred") {
        (PredictionType::V, PredictionSource::Tensor("v_pred".into()))
    } else if says("modelspec.prediction_type", &["v", "v_prediction", "v-prediction"]) {
        (PredictionType::V, PredictionSource::Metadata("modelspec.prediction_type".into()))
    } else if says("modelspec.prediction_type", &["epsilon", "eps"]) {
        (PredictionType::Epsilon, PredictionSource::Metadata("modelspec.prediction_type".into()))
    } else if says("ss_v_parameterization", &["true", "1"]) {
        (PredictionType::V, PredictionSource::Metadata("ss_v_parameterization".into()))
    } else {
        (PredictionType::Epsilon, PredictionSource::Default)
    };
    let rescale_betas_zero_snr = has("ztsnr") || says("ss_zero_terminal_snr", &["true", "1"]);
    SchedulerConfig { prediction_type, prediction_source, rescale_betas_zero_snr, ..SchedulerConfig::default() }
}

/// Reads latent2rgb.json if it exists.
pub(crate) fn latent2rgb(folder: &Place) -> Result<Option<Latent2Rgb>, Error> {
    /// The file also contains notes, which are ignored.
    #[derive(Deserialize)]
    struct File {
        matrix: [[f32; 3]; 4],
        bias: [f32; 3],
    }
    const NAME: &str = "latent2rgb.json";
    if !folder.has(NAME) {
        return Ok(None);
    }
    let File { matrix, bias } = folder.json(NAME)?;
    if matrix.iter().flatten().chain(&bias).all(|number| number.is_finite()) {
        return Ok(Some(Latent2Rgb { matrix, bias }));
    }
    Err(Error::Json { path: folder.path().join(NAME), message: "holds a number beyond f32".into() })
}
