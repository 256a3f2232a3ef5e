//! The facts about a model's training that a sampler needs.

pub use generation::Prediction;
use serde::{Deserialize, Serialize};

/// How a noise level enters the UNet and how the UNet's output becomes the estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ModelSampling {
    /// Training steps over betas: the UNet gets a timestep, and `prediction_type` says what it returns. SDXL.
    #[default]
    Discrete,
    /// EDM (Karras et al., 2022): x0 = c_skip x + c_out F(c_in x, ln(sigma) / 4) with c_skip = d^2 / (sigma^2 + d^2),
    /// c_out = sigma d / sqrt(sigma^2 + d^2), c_in = 1 / sqrt(sigma^2 + d^2), d = `sigma_data`. Playground 2.5.
    Edm {
        /// Standard deviation of the training latents: 0.5.
        sigma_data: f64,
        /// The lowest noise level: 0.002.
        sigma_min: f64,
        /// The highest noise level: 80.
        sigma_max: f64,
        /// The sampler's latent is (z - mean) * sigma_data / std for each channel, with the VAE's latent z; this replaces
        /// the VAE's scaling factor.
        latents_mean: [f64; 4],
        /// See `latents_mean`.
        latents_std: [f64; 4],
    },
    /// v-prediction over continuous noise levels: as `Edm` with `sigma_data` 1 and c_out = -sigma / sqrt(sigma^2 + 1), on
    /// SDXL's usual latents. CosXL.
    ContinuousV {
        /// The lowest noise level: 0.002.
        sigma_min: f64,
        /// The highest noise level: 120.
        sigma_max: f64,
    },
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
    /// How noise levels and the UNet's output are used.
    #[serde(default)]
    pub sampling: ModelSampling,
    /// What the UNet predicts.
    pub prediction_type: Prediction,
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
            sampling: ModelSampling::Discrete,
            prediction_type: Prediction::Epsilon,
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
