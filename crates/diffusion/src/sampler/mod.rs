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

use crate::{BrownianPath, Denoise, NoiseSource, Observer, SamplerState};
use burn::tensor::Tensor;
use generation::Sampler;
use run::Run;

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
    /// The observer paused the run before a step.
    Paused {
        /// From which [`Sample::sample_from`] continues it.
        state: SamplerState,
    },
    /// The observer cancelled the run.
    Cancelled {
        /// The step in which it was stopped, from 1.
        step: usize,
    },
}

impl Outcome {
    /// The latents, unless the run was cancelled or paused.
    pub fn latents(self) -> Option<Tensor<4>> {
        match self {
            Self::Finished { latents } | Self::Kept { latents, .. } => Some(latents),
            Self::Paused { .. } | Self::Cancelled { .. } => None,
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

    /// As [`Sample::sample`], from a state between two steps ([`Step::state`](crate::Step::state)), of which only the
    /// remaining steps run. `noise` is at the state's position ([`Generator::at`](crate::Generator::at)). All tensors of the
    /// state have one shape and dtype and are on one device.
    ///
    /// With the sampler and the sigmas of the run that the state is of, the result is that of the uninterrupted run. The
    /// state of another sampler must have no `past`.
    ///
    /// # Errors
    /// As [`Sample::sample`].
    fn sample_from<D: Denoise>(
        self,
        denoise: &mut D,
        state: SamplerState,
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
        let state = SamplerState { step: 0, x, past: Vec::new(), noise: noise.position() };
        self.sample_from(denoise, state, sigmas, noise, observer)
    }

    fn sample_from<D: Denoise>(
        self,
        denoise: &mut D,
        state: SamplerState,
        sigmas: &[f32],
        noise: &mut dyn NoiseSource,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, D::Error> {
        let SamplerState { step: first, x, past, noise: _ } = state;
        let mut path;
        let noise: &mut dyn NoiseSource = match self {
            Self::DpmppSde => {
                path = BrownianPath::new(noise);
                &mut path
            }
            _ => noise,
        };
        Run { denoise, noise, observer, sigmas, first }.outcome(|run| match self {
            Self::Euler => euler::euler(run, x),
            Self::EulerAncestral => euler::euler_ancestral(run, x),
            Self::Heun => heun::heun(run, x),
            Self::Dpm2 => dpm_2::dpm_2(run, x),
            Self::Dpm2Ancestral => dpm_2::dpm_2_ancestral(run, x),
            Self::Lms => lms::lms(run, x, past),
            Self::Dpmpp2sAncestral => dpmpp_single::dpmpp_2s_ancestral(run, x),
            Self::Dpmpp2m => dpmpp_multi::dpmpp_2m(run, x, past),
            Self::Dpmpp2mSde => dpmpp_multi::dpmpp_2m_sde(run, x, past),
            Self::Dpmpp3mSde => dpmpp_multi::dpmpp_3m_sde(run, x, past),
            Self::DpmppSde => dpmpp_single::dpmpp_sde(run, x),
            Self::Ddim => euler::ddim(run, x),
            Self::UniPc => uni_pc::uni_pc(run, x, past),
            Self::Lcm => renoising::lcm(run, x),
            Self::Tcd => renoising::tcd(run, x),
            Self::Ddpm => renoising::ddpm(run, x),
        })
    }
}

/// [`Sampler::DpmppSde`] with noise that is drawn as it is, not along a [`BrownianPath`]: two draws of a step are
/// independent. Arguments and errors as of [`Sample::sample`].
///
/// # Errors
/// Errors of `denoise`.
pub fn dpmpp_sde<D: Denoise>(
    denoise: &mut D,
    x: Tensor<4>,
    sigmas: &[f32],
    noise: &mut dyn NoiseSource,
    observer: &mut dyn Observer,
) -> Result<Outcome, D::Error> {
    Run { denoise, noise, observer, sigmas, first: 0 }.outcome(|run| dpmpp_single::dpmpp_sde(run, x))
}
