//! The facts about a model's training that a sampler needs.

use serde::{Deserialize, Serialize};

/// What the UNet predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PredictionType {
    /// The noise.
    #[serde(rename = "epsilon")]
    Epsilon,
    /// v = alpha * noise - sigma * x0 (Salimans and Ho, 2022).
    #[serde(rename = "v_prediction")]
    V,
}

/// Where the prediction type (and the rescaling of the betas) was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionSource {
    /// scheduler_config.json.
    SchedulerConfig,
    /// A tensor with this name (`v_pred`) in the single file.
    Tensor(String),
    /// This key in the safetensors metadata.
    Metadata(String),
    /// Not specified: SDXL's own, epsilon.
    Default,
}

/// How the betas are spaced from `beta_start` to `beta_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Linear in the square root, as in SDXL.
    ScaledLinear,
    /// Linear.
    Linear,
}

/// The timestep spacing that the checkpoint was published with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// i * (1000 // steps) + offset, as in SDXL.
    Leading,
    /// Evenly from the last training step to the first, including both.
    Linspace,
    /// Evenly down from the last training step, without the end: distilled and v-prediction models.
    Trailing,
}

/// The training noise schedule and what the model predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchedulerConfig {
    /// What the UNet predicts.
    pub prediction_type: PredictionType,
    /// Where the prediction type was found.
    pub prediction_source: PredictionSource,
    /// How the betas are spaced.
    pub beta_schedule: BetaSchedule,
    /// The first beta: 0.00085.
    pub beta_start: f64,
    /// The last beta: 0.012.
    pub beta_end: f64,
    /// Training steps: 1000.
    pub num_train_timesteps: usize,
    /// Whether the betas are rescaled so that the last step is pure noise (Lin et al., 2023).
    pub rescale_betas_zero_snr: bool,
    /// The timestep spacing that the checkpoint was published with.
    pub timestep_spacing: TimestepSpacing,
    /// Added to `leading` timesteps: 1.
    pub steps_offset: usize,
}

impl Default for SchedulerConfig {
    /// The values of SDXL base.
    fn default() -> Self {
        Self {
            prediction_type: PredictionType::Epsilon,
            prediction_source: PredictionSource::Default,
            beta_schedule: BetaSchedule::ScaledLinear,
            beta_start: 0.00085,
            beta_end: 0.012,
            num_train_timesteps: 1000,
            rescale_betas_zero_snr: false,
            timestep_spacing: TimestepSpacing::Leading,
            steps_offset: 1,
        }
    }
}

/// A linear map from latent to picture, for fast previews (latent2rgb.json).
///
/// `rgb = latent * matrix + bias` for each latent pixel. The latent is the sampler's (not divided by the scaling
/// factor); RGB is in -1..1, at the size of the latent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latent2Rgb {
    /// One row per latent channel; columns red, green, blue.
    pub matrix: [[f32; 3]; 4],
    /// Red, green, blue.
    pub bias: [f32; 3],
}
