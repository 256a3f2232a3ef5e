//! What the sampler must know of how the model was trained.

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

/// Where the prediction type (and the rescaled betas) were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionSource {
    /// scheduler_config.json.
    SchedulerConfig,
    /// A tensor of this name (`v_pred`) in the single file.
    Tensor(String),
    /// This key of the safetensors metadata.
    Metadata(String),
    /// Nothing told: SDXL's own, epsilon.
    Default,
}

/// How the betas run from `beta_start` to `beta_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Linear in the square root: SDXL's.
    ScaledLinear,
    /// Linear.
    Linear,
}

/// The spacing of the timesteps that the checkpoint was published with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// i * (1000 // steps) + offset: SDXL's.
    Leading,
    /// From the last training step down to the first, evenly, both ends included.
    Linspace,
    /// Evenly down from the last training step, the end left out: distilled and v-prediction models.
    Trailing,
}

/// The training noise schedule and what the model predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchedulerConfig {
    /// What the UNet predicts.
    pub prediction_type: PredictionType,
    /// Where that was read.
    pub prediction_source: PredictionSource,
    /// How the betas run.
    pub beta_schedule: BetaSchedule,
    /// The first beta: 0.00085.
    pub beta_start: f64,
    /// The last beta: 0.012.
    pub beta_end: f64,
    /// Training steps: 1000.
    pub num_train_timesteps: usize,
    /// Whether the betas are rescaled so that the last step is pure noise (Lin et al., 2023).
    pub rescale_betas_zero_snr: bool,
    /// The spacing that the checkpoint was published with.
    pub timestep_spacing: TimestepSpacing,
    /// Added to `leading` timesteps: 1.
    pub steps_offset: usize,
}

impl Default for SchedulerConfig {
    /// SDXL base's own.
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

/// A linear map from latent to picture, for quick previews (latent2rgb.json).
///
/// `rgb = latent * matrix + bias` for each latent pixel; the latent as the pipeline has it (no division by
/// the scaling factor), RGB in -1..1 at the latent's size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latent2Rgb {
    /// One row for each of the four latent channels; columns red, green, blue.
    pub matrix: [[f32; 3]; 4],
    /// Red, green, blue.
    pub bias: [f32; 3],
}
