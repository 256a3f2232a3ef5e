//! The training schedule, from scheduler_config.json or from marks in a single file.

use super::{
    BetaSchedule, Latent2Rgb, ModelSampling, Prediction, PredictionSource, SchedulerConfig, TimestepSpacing,
    json::ConfigFile, scheduler_defaults::Defaults,
};
use crate::{error::Error, place::Place};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The path of the scheduler's config inside a diffusers folder.
pub(crate) const SCHEDULER_CONFIG: &str = "scheduler/scheduler_config.json";

/// Reads scheduler_config.json. Absent keys have diffusers' defaults, which differ from SDXL's values. `vae` is the
/// vae/config.json, which has the statistics of an EDM model's latents.
pub(crate) fn scheduler_from_json(file: &ConfigFile, vae: Option<&ConfigFile>) -> Result<SchedulerConfig, Error> {
    let class = file.text("_class_name")?.unwrap_or_default().to_owned();
    if class.starts_with("FlowMatch") {
        return Err(file.bad("_class_name", "a scheduler over betas (EulerDiscreteScheduler and the like), or EDM's"));
    }
    file.must_be("trained_betas", &[Value::Null])?;
    let prediction_type = match file.text("prediction_type")? {
        None | Some("epsilon") => Prediction::Epsilon,
        Some("v_prediction") => Prediction::V,
        Some(_) => return Err(file.bad("prediction_type", "epsilon or v_prediction")),
    };
    if class.starts_with("EDM") {
        let sampling = sampling_from_json(file, prediction_type, vae)?;
        let prediction_source = PredictionSource::SchedulerConfig;
        return Ok(SchedulerConfig { sampling, prediction_type, prediction_source, ..SchedulerConfig::default() });
    }
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
        sampling: ModelSampling::Discrete,
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

/// The sampling of diffusers' EDM schedulers: Playground 2.5's, with the VAE's statistics, or CosXL's.
fn sampling_from_json(
    file: &ConfigFile,
    prediction: Prediction,
    vae: Option<&ConfigFile>,
) -> Result<ModelSampling, Error> {
    let sigma_data = file.positive("sigma_data", 0.5)?;
    let (sigma_min, sigma_max) = (file.positive("sigma_min", 0.002)?, file.positive("sigma_max", 80.0)?);
    if sigma_max <= sigma_min {
        return Err(file.bad("sigma_max", "a number above sigma_min"));
    }
    if prediction == Prediction::V {
        if sigma_data != 1.0 {
            return Err(file.bad("sigma_data", "1 for v_prediction"));
        }
        return Ok(ModelSampling::ContinuousV { sigma_min, sigma_max });
    }
    let vae = vae.ok_or_else(|| file.bad("_class_name", "an EDM scheduler beside a vae/config.json"))?;
    let [latents_mean, latents_std] =
        [("latents_mean", f64::NEG_INFINITY), ("latents_std", 0.0)].map(|(key, least)| {
            let number = |value: &Value| value.as_f64().filter(|number| number.is_finite() && *number > least);
            let list = vae.get(key).and_then(Value::as_array);
            let numbers: Option<Vec<f64>> = list.and_then(|list| list.iter().map(number).collect());
            let four = numbers.and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
            four.ok_or_else(|| vae.bad(key, "four numbers, in latents_std above 0"))
        });
    if vae.number("scaling_factor", 0.18215)? != sigma_data {
        return Err(vae.bad("scaling_factor", format!("the scheduler's sigma_data, {sigma_data}")));
    }
    let (latents_mean, latents_std) = (latents_mean?, latents_std?);
    Ok(ModelSampling::Edm { sigma_data, sigma_min, sigma_max, latents_mean, latents_std })
}

/// A single file's own sampling, if tensors mark it, and the tensor: `edm_mean` and `edm_std` (Playground 2.5), else
/// `edm_vpred.sigma_max` (CosXL). These are ComfyUI's marks, in its order; `numbers` reads a tensor.
pub(crate) fn sampling_from_tensors(
    has: impl Fn(&str) -> bool,
    numbers: impl Fn(&str) -> Result<Vec<f32>, Error>,
    bad: impl Fn(&str, String, &str) -> Error,
) -> Result<Option<(ModelSampling, &'static str)>, Error> {
    let channels = |name: &str, least: f32| {
        let found = numbers(name)?;
        match <[f32; 4]>::try_from(found.as_slice()) {
            Ok(four) if four.iter().all(|number| number.is_finite() && *number > least) => Ok(four.map(f64::from)),
            _ => Err(bad(name, format!("{found:?}"), "four finite numbers, in edm_std above 0")),
        }
    };
    let level = |name: &str| match numbers(name)?.as_slice() {
        [sigma] if sigma.is_finite() && *sigma > 0.0 => Ok(f64::from(*sigma)),
        found => Err(bad(name, format!("{found:?}"), "one number above 0")),
    };
    if has("edm_mean") && has("edm_std") {
        let sampling = ModelSampling::Edm {
            sigma_data: 0.5,
            sigma_min: 0.002,
            sigma_max: 80.0,
            latents_mean: channels("edm_mean", f32::NEG_INFINITY)?,
            latents_std: channels("edm_std", 0.0)?,
        };
        return Ok(Some((sampling, "edm_mean")));
    }
    if !has("edm_vpred.sigma_max") {
        return Ok(None);
    }
    let sigma_min = if has("edm_vpred.sigma_min") { level("edm_vpred.sigma_min")? } else { 0.002 };
    let sigma_max = level("edm_vpred.sigma_max")?;
    if sigma_min >= sigma_max {
        return Err(bad("edm_vpred.sigma_min", sigma_min.to_string(), "a number below edm_vpred.sigma_max"));
    }
    Ok(Some((ModelSampling::ContinuousV { sigma_min, sigma_max }, "edm_vpred.sigma_max")))
}

/// The schedule of a single file: given by a `v_pred` or `ztsnr` tensor (ComfyUI's convention), or by metadata
/// (ModelSpec's `modelspec.prediction_type`, kohya's `ss_v_parameterization` and `ss_zero_terminal_snr`). `sampling` is
/// what [`sampling_from_tensors`] found; it comes first.
pub(crate) fn scheduler_from_tensors(
    sampling: Option<(ModelSampling, &str)>,
    has: impl Fn(&str) -> bool,
    metadata: &BTreeMap<String, String>,
) -> SchedulerConfig {
    if let Some((sampling, tensor)) = sampling {
        let prediction_type = match sampling {
            ModelSampling::ContinuousV { .. } => Prediction::V,
            ModelSampling::Discrete | ModelSampling::Edm { .. } => Prediction::Epsilon,
        };
        let prediction_source = PredictionSource::Tensor(tensor.to_owned());
        return SchedulerConfig { sampling, prediction_type, prediction_source, ..SchedulerConfig::default() };
    }
    let says = |key: &str, values: &[&str]| {
        metadata.get(key).is_some_and(|said| values.iter().any(|value| said.eq_ignore_ascii_case(value)))
    };
    let (prediction_type, prediction_source) = if has("v_pred") {
        (Prediction::V, PredictionSource::Tensor("v_pred".into()))
    } else if says("modelspec.prediction_type", &["v", "v_prediction", "v-prediction"]) {
        (Prediction::V, PredictionSource::Metadata("modelspec.prediction_type".into()))
    } else if says("modelspec.prediction_type", &["epsilon", "eps"]) {
        (Prediction::Epsilon, PredictionSource::Metadata("modelspec.prediction_type".into()))
    } else if says("ss_v_parameterization", &["true", "1"]) {
        (Prediction::V, PredictionSource::Metadata("ss_v_parameterization".into()))
    } else {
        (Prediction::Epsilon, PredictionSource::Default)
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
