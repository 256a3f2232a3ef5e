//! Samplers: pure functions over sigmas.

mod dpm_2;
mod dpmpp_multi;
mod dpmpp_single;
mod euler;
mod heun;
mod lms;
mod renoising;
mod run;
mod uni_pc;

pub use dpm_2::{dpm_2, dpm_2_ancestral};
pub use dpmpp_multi::{dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde};
pub use dpmpp_single::{dpmpp_2s_ancestral, dpmpp_sde};
pub use euler::{ddim, euler, euler_ancestral};
pub use heun::heun;
pub use lms::lms;
pub use renoising::{ddpm, lcm};
pub use uni_pc::uni_pc;

use crate::{BrownianPath, Denoise, NoiseSource, Observer};
use burn::tensor::Tensor;
use generation::Sampler;

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All steps ran.
    Finished {
        /// The result, `[batch, channels, height, width]`.
        latents: Tensor<4>,
    },
    /// The observer stopped the run and kept the estimate.
    Kept {
        /// The estimate x0 at that step, `[batch, channels, height, width]`.
        latents: Tensor<4>,
        /// The step at which it was stopped, from 1.
        step: usize,
    },
    /// The observer cancelled the run.
    Cancelled {
        /// The step in which it was stopped, from 1.
        step: usize,
    },
}

impl Outcome {
    /// The latents, unless the run was cancelled.
    pub fn latents(self) -> Option<Tensor<4>> {
        match self {
            Self::Finished { latents } | Self::Kept { latents, .. } => Some(latents),
            Self::Cancelled { .. } => None,
        }
    }
}

/// Running a [`Sampler`].
pub trait Sample {
    /// Runs the sampler from `x` (`[batch, channels, height, width]`, at noise level `sigmas[0]`) to the last
    /// of `sigmas`.
    ///
    /// Sigmas fall strictly and end in 0, as [`Schedule`](crate::Schedule) makes them; for others see
    /// [`check_sigmas`](crate::check_sigmas). With fewer than two there is no step and `x` is the result.
    /// Deterministic samplers draw nothing from `noise`; `dpmpp_sde` walks a [`BrownianPath`] over it.
    ///
    /// # Errors
    /// Errors of `denoise`. A run that the observer ends is not an error: see [`Outcome`].
    fn sample<D: Denoise>(
        self,
        denoise: &mut D,
        x: Tensor<4>,
        sigmas: &[f32],
        noise: &mut dyn NoiseSource,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, D::Error>;
}

impl Sample for Sampler {
    fn sample<D: Denoise>(
        self,
        denoise: &mut D,
        x: Tensor<4>,
        sigmas: &[f32],
        noise: &mut dyn NoiseSource,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, D::Error> {
        match self {
            Self::Euler => euler(denoise, x, sigmas, observer),
            Self::EulerAncestral => euler_ancestral(denoise, x, sigmas, noise, observer),
            Self::Heun => heun(denoise, x, sigmas, observer),
            Self::Dpm2 => dpm_2(denoise, x, sigmas, observer),
            Self::Dpm2Ancestral => dpm_2_ancestral(denoise, x, sigmas, noise, observer),
            Self::Lms => lms(denoise, x, sigmas, observer),
            Self::Dpmpp2sAncestral => dpmpp_2s_ancestral(denoise, x, sigmas, noise, observer),
            Self::Dpmpp2m => dpmpp_2m(denoise, x, sigmas, observer),
            Self::Dpmpp2mSde => dpmpp_2m_sde(denoise, x, sigmas, noise, observer),
            Self::Dpmpp3mSde => dpmpp_3m_sde(denoise, x, sigmas, noise, observer),
            Self::DpmppSde => dpmpp_sde(denoise, x, sigmas, &mut BrownianPath::new(noise), observer),
            Self::Ddim => ddim(denoise, x, sigmas, observer),
            Self::UniPc => uni_pc(denoise, x, sigmas, observer),
            Self::Lcm => lcm(denoise, x, sigmas, noise, observer),
            Self::Ddpm => ddpm(denoise, x, sigmas, noise, observer),
        }
    }
}
