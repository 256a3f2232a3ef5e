//! The noise levels used in training, and conversion between sigma and timestep.

use super::ScheduleError;

/// Number of noise levels in the training schedule.
pub const TRAINING_STEPS: usize = 1000;

/// SDXL's `steps_offset` in diffusers.
const STEPS_OFFSET: usize = 1;

/// Parameters of the training schedule. The square roots of the betas are evenly spaced (`scaled_linear` in diffusers).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Betas {
    /// The first beta; 0.00085 for SDXL.
    pub start: f64,
    /// The last beta; 0.012 for SDXL.
    pub end: f64,
    /// Whether the schedule is rescaled so that the last step is pure noise (Lin et al. 2023, algorithm 1). True for
    /// models trained with zero terminal SNR.
    pub zero_terminal_snr: bool,
}

impl Default for Betas {
    /// The values of SDXL.
    fn default() -> Self {
        Self { start: 0.00085, end: 0.012, zero_terminal_snr: false }
    }
}

/// Parameters of a model that was trained on continuous noise levels (Karras et al. 2022; diffusers' `EDMEulerScheduler`,
/// ComfyUI's `ModelSamplingContinuousEDM`): Playground 2.5 and CosXL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edm {
    /// The lowest noise level; 0.002.
    pub sigma_min: f64,
    /// The highest noise level; 80 for Playground 2.5, 120 for CosXL.
    pub sigma_max: f64,
    /// The standard deviation of the data in the formulas of [`Preconditioning`](crate::Preconditioning); 0.5 for Playground
    /// 2.5, 1 for CosXL.
    pub sigma_data: f64,
}

/// The noise level of each training step: `sigma = sqrt((1 - a) / a)`, where `a` is the cumulative product of
/// `1 - beta`.
///
/// Rounded like diffusers' `EulerDiscreteScheduler` (f32, the product in f64), so that the sigmas agree to about the
/// last digit.
///
/// For an EDM model, levels evenly spaced in log sigma. Its "timesteps" here are places in this table, which schedules
/// choose from; what its network receives is [`ModelSigmas::network_timestep`].
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSigmas {
    /// In increasing order.
    sigmas: Vec<f32>,
    /// Logarithms of the same f32 values, so that a sigma from the table maps back to its exact timestep.
    logs: Vec<f64>,
    steps_offset: usize,
    edm: Option<Edm>,
}

impl Default for ModelSigmas {
    /// The values of SDXL.
    fn default() -> Self {
        Self::from_unchecked(Betas::default())
    }
}

impl ModelSigmas {
    /// Computes the table of a training schedule.
    ///
    /// # Errors
    /// [`ScheduleError::Betas`] unless `0 < start < end < 1`.
    pub fn new(betas: Betas) -> Result<Self, ScheduleError> {
        let Betas { start, end, .. } = betas;
        if !(start > 0.0 && start < end && end < 1.0) {
            return Err(ScheduleError::Betas { start, end });
        }
        Ok(Self::from_unchecked(betas))
    }

    fn from_unchecked(betas: Betas) -> Self {
        let mut products = cumulative_products(&scaled_linear(betas.start, betas.end));
        if betas.zero_terminal_snr {
            products = cumulative_products(&rescaled_to_zero_snr(&products));
            if let Some(last) = products.last_mut() {
                // Not 0, which would make the last sigma infinite. diffusers uses the smallest f16 number.
                *last = 2_f32.powi(-24);
            }
        }
        let sigmas: Vec<f32> = products.iter().map(|a| ((1.0 - a) / a).sqrt()).collect();
        Self::from_sigmas(sigmas, None)
    }

    /// The table of an EDM model: [`TRAINING_STEPS`] levels from `sigma_min` to `sigma_max`, evenly spaced in log sigma
    /// (ComfyUI).
    ///
    /// # Errors
    /// [`ScheduleError::Edm`] unless `0 < sigma_min < sigma_max` and `0 < sigma_data`, all finite in f32.
    pub fn continuous(edm: Edm) -> Result<Self, ScheduleError> {
        let Edm { sigma_min, sigma_max, sigma_data } = edm;
        let is_level = |value: f64| value as f32 >= f32::MIN_POSITIVE && (value as f32).is_finite();
        // Below this distance f32 could not distinguish all levels.
        if ![sigma_min, sigma_max, sigma_data].into_iter().all(is_level) || sigma_max < sigma_min * 1.01 {
            return Err(ScheduleError::Edm(edm));
        }
        let (from, to) = (sigma_min.ln(), sigma_max.ln());
        let last = (TRAINING_STEPS - 1) as f64;
        let level = |i: usize| (from + (to - from) * i as f64 / last).exp() as f32;
        Ok(Self::from_sigmas((0..TRAINING_STEPS).map(level).collect(), Some(edm)))
    }

    fn from_sigmas(sigmas: Vec<f32>, edm: Option<Edm>) -> Self {
        let logs = sigmas.iter().map(|&sigma| f64::from(sigma).ln()).collect();
        Self { sigmas, logs, steps_offset: STEPS_OFFSET, edm }
    }

    /// The parameters of an EDM model; `None` for a model over timesteps.
    pub fn edm(&self) -> Option<&Edm> {
        self.edm.as_ref()
    }

    /// What the network receives as its timestep at a noise level: [`ModelSigmas::timestep_from_sigma`], and for an EDM
    /// model `0.25 * ln(sigma)`.
    pub fn network_timestep(&self, sigma: f32) -> f32 {
        match self.edm {
            None => self.timestep_from_sigma(sigma),
            Some(_) => (0.25 * f64::from(sigma).ln()) as f32,
        }
    }

    /// Sets diffusers' `steps_offset`, which the schedule `leading` adds to its timesteps. SDXL uses 1.
    pub fn with_steps_offset(self, steps_offset: usize) -> Self {
        Self { steps_offset, ..self }
    }

    /// diffusers' `steps_offset`.
    pub fn steps_offset(&self) -> usize {
        self.steps_offset
    }

    /// All levels in increasing order: index 0 has the least noise.
    pub fn as_slice(&self) -> &[f32] {
        &self.sigmas
    }

    /// The lowest level (0.0292 for SDXL).
    pub fn min(&self) -> f32 {
        self.sigmas.first().copied().unwrap_or_default()
    }

    /// The highest level (14.6146 for SDXL).
    pub fn max(&self) -> f32 {
        self.sigmas.last().copied().unwrap_or_default()
    }

    /// The sigma at a timestep. Between whole timesteps it is interpolated in log sigma (k-diffusion's `t_to_sigma`).
    /// Timesteps outside the table return its nearest end.
    pub fn sigma_from_timestep(&self, timestep: f64) -> f32 {
        let last = self.sigmas.len() - 1;
        let timestep = timestep.clamp(0.0, last as f64);
        let low = timestep.floor() as usize;
        let part = timestep - low as f64;
        if part == 0.0 {
            return self.sigmas[low];
        }
        ((1.0 - part) * self.logs[low] + part * self.logs[low + 1]).exp() as f32
    }

    /// The sigma at a timestep. Between whole timesteps it is interpolated linearly, as in diffusers (`np.interp`).
    /// Timesteps outside the table return its nearest end.
    pub fn sigma_between(&self, timestep: f64) -> f32 {
        let last = self.sigmas.len() - 1;
        let timestep = timestep.clamp(0.0, last as f64);
        let low = timestep.floor() as usize;
        let (from, to) = (f64::from(self.sigmas[low]), f64::from(self.sigmas[(low + 1).min(last)]));
        (from + (timestep - low as f64) * (to - from)) as f32
    }

    /// The timestep of a sigma. Whole if the sigma is in the table, otherwise
    /// interpolated in log sigma (k-diffusion's `sigma_to_t`, diffusers' `_sigma_to_t`). Sigmas outside the table
    /// return its nearest end.
    pub fn timestep_from_sigma(&self, sigma: f32) -> f32 {
        let above = self.sigmas.partition_point(|&s| s <= sigma);
        let last = self.sigmas.len() - 1;
        if above == 0 || sigma.is_nan() {
            return 0.0;
        }
        if above > last {
            return last as f32;
        }
        let (low, high) = (self.logs[above - 1], self.logs[above]);
        let part = (f64::from(sigma).ln() - low) / (high - low);
        ((above - 1) as f64 + part) as f32
    }

    /// The whole timestep whose sigma is nearest in log sigma. ComfyUI passes this to the network.
    pub fn nearest_timestep_from_sigma(&self, sigma: f32) -> f32 {
        self.timestep_from_sigma(sigma).round()
    }
}

/// `torch.linspace(sqrt(start), sqrt(end), 1000, dtype=float32) ** 2`, which computes its second half from the end.
fn scaled_linear(start: f64, end: f64) -> Vec<f32> {
    let (start, end) = (start.sqrt() as f32, end.sqrt() as f32);
    let step = (end - start) / (TRAINING_STEPS - 1) as f32;
    let root = |i: usize| {
        if i < TRAINING_STEPS / 2 { start + step * i as f32 } else { end - step * (TRAINING_STEPS - 1 - i) as f32 }
    };
    (0..TRAINING_STEPS).map(|i| root(i) * root(i)).collect()
}

fn cumulative_products(betas: &[f32]) -> Vec<f32> {
    betas
        .iter()
        .scan(1.0_f64, |product, beta| {
            *product *= f64::from(1.0 - beta);
            Some(*product as f32)
        })
        .collect()
}

/// Algorithm 1 of Lin et al. 2023: from the cumulative products to new betas.
fn rescaled_to_zero_snr(products: &[f32]) -> Vec<f32> {
    let first = products.first().copied().unwrap_or(1.0).sqrt();
    let last = products.last().copied().unwrap_or(0.0).sqrt();
    let scale = first / (first - last);
    let rescaled: Vec<f32> = products.iter().map(|a| ((a.sqrt() - last) * scale).powi(2)).collect();
    let before = std::iter::once(1.0).chain(rescaled.iter().copied());
    rescaled.iter().zip(before).map(|(a, before)| 1.0 - a / before).collect()
}
