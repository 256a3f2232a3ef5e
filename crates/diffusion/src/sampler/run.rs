//! Shared by all samplers: the steps of a run, calls of model and observer, early ends.

use super::Outcome;
use crate::{Denoise, ModelSigmas, NoiseSource, Observer, Past, SamplerState, Step, Stop};
use burn::tensor::Tensor;
use std::ops::ControlFlow;

/// One step of a sampler: from `sigma` to `next`. In f64, because the solvers' coefficients are differences of
/// logarithms and exponentials; they are only a few numbers per step.
#[derive(Clone, Copy)]
pub(super) struct Interval {
    pub(super) index: usize,
    pub(super) sigma: f64,
    pub(super) next: f64,
}

impl Interval {
    /// Whether the step ends at sigma 0.
    pub(super) fn is_last(&self) -> bool {
        self.next == 0.0
    }

    /// `sigma` and `next` as the f32 values they came from.
    pub(super) fn ends(&self) -> (f32, f32) {
        (self.sigma as f32, self.next as f32)
    }
}

/// Why a sampler's loop ended early.
pub(super) enum Halt<E> {
    Stopped(Box<Outcome>),
    Failed(E),
}

impl<E> Halt<E> {
    fn stopped(outcome: Outcome) -> Self {
        Self::Stopped(Box::new(outcome))
    }
}

/// A sampler's result: latents, or why its loop ended early.
pub(super) type Stepped<D> = Result<Tensor<4>, Halt<<D as Denoise>::Error>>;

/// The model, the noise and the observer of one run.
pub(super) struct Run<'a, D: Denoise> {
    pub(super) denoise: &'a mut D,
    pub(super) noise: &'a mut dyn NoiseSource,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) sigmas: &'a [f32],
    /// Index of the first step.
    pub(super) first: usize,
}

impl<'a, D: Denoise> Run<'a, D> {
    /// Runs a sampler's loop and maps its result, or its early end, to an [`Outcome`].
    pub(super) fn outcome(mut self, sampler: impl FnOnce(&mut Self) -> Stepped<D>) -> Result<Outcome, D::Error> {
        match sampler(&mut self) {
            Ok(latents) => Ok(Outcome::Finished { latents }),
            Err(Halt::Stopped(outcome)) => Ok(*outcome),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    /// The steps of the whole schedule.
    pub(super) fn total(&self) -> usize {
        self.sigmas.len().saturating_sub(1)
    }

    /// The steps from the first on, in order.
    pub(super) fn intervals(&self) -> impl Iterator<Item = Interval> + use<'a, D> {
        let pairs = self.sigmas.iter().zip(self.sigmas.iter().skip(1)).enumerate();
        let all = pairs.map(|(index, (&sigma, &next))| Interval { index, sigma: sigma.into(), next: next.into() });
        all.skip(self.first)
    }

    /// The model's training schedule.
    pub(super) fn table(&self) -> &ModelSigmas {
        self.denoise.table()
    }

    /// Evaluates the model for the first time in a step and reports the result to the observer.
    pub(super) fn observed(&mut self, step: &Interval, x: &Tensor<4>) -> Stepped<D> {
        self.observed_with(step, x, &[])
    }

    /// As [`Run::observed`], for a sampler that keeps `past` of earlier steps.
    pub(super) fn observed_with(&mut self, step: &Interval, x: &Tensor<4>, past: &[Past]) -> Stepped<D> {
        if self.observer.pauses_before(step.index) {
            let (x, past, noise) = (x.clone(), past.to_vec(), self.noise.position());
            return Err(Halt::stopped(Outcome::Paused { state: SamplerState { step: step.index, x, past, noise } }));
        }
        let denoised = self.evaluated(step, x.clone(), step.sigma)?;
        let (index, sigma, noise) = (step.index, step.sigma as f32, self.noise.position());
        let seen = Step { index, total: self.total(), sigma, x, denoised: &denoised, past, noise };
        match self.observer.step(&seen) {
            ControlFlow::Continue(()) => Ok(denoised),
            ControlFlow::Break(Stop::Cancel) => Err(Halt::stopped(Outcome::Cancelled { step: step.index + 1 })),
            ControlFlow::Break(Stop::Keep) => {
                Err(Halt::stopped(Outcome::Kept { latents: denoised, step: step.index + 1 }))
            }
        }
    }

    /// Evaluates the model without reporting to the observer: the second evaluation of a step.
    pub(super) fn evaluated(&mut self, step: &Interval, x: Tensor<4>, sigma: f64) -> Stepped<D> {
        if self.observer.is_cancelled() {
            return Err(Halt::stopped(Outcome::Cancelled { step: step.index + 1 }));
        }
        self.denoise.denoise(x, sigma as f32).map_err(Halt::Failed)
    }

    /// Adds the noise for the end of a step to `x`, with standard deviation `deviation`.
    pub(super) fn with_noise(&mut self, x: Tensor<4>, step: &Interval, deviation: f64) -> Tensor<4> {
        let (sigma, next) = step.ends();
        let drawn = self.noise.draw(&x, sigma, next);
        x + drawn.mul_scalar(deviation as f32)
    }
}

/// `a * x + b * y`, the common form of all solvers' updates.
pub(super) fn combined(a: f64, x: Tensor<4>, b: f64, y: Tensor<4>) -> Tensor<4> {
    x.mul_scalar(a as f32) + y.mul_scalar(b as f32)
}

/// Euler's step `x + (x - x0) / sigma * (to - sigma)` from noise level `sigma` to `to`, where `denoised` is x0. Written
/// so that level 0 returns x0 exactly.
pub(super) fn euler_step(x: Tensor<4>, denoised: Tensor<4>, sigma: f64, to: f64) -> Tensor<4> {
    if to == 0.0 {
        return denoised;
    }
    let share = to / sigma;
    combined(share, x, 1.0 - share, denoised)
}

/// Splits an ancestral step (k-diffusion's `get_ancestral_step`, eta 1). Returns `(down, up)`: the noise level to step
/// down to without noise, and the standard deviation of the noise that is then added.
pub(super) fn ancestral_parts(from: f64, to: f64) -> (f64, f64) {
    let up = to.min((to * to * (from * from - to * to) / (from * from)).sqrt());
    ((to * to - up * up).sqrt(), up)
}
