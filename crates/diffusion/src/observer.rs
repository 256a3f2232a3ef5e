//! Observing and stopping a sampler.

use crate::{NoisePosition, Past, SamplerState};
use burn::tensor::Tensor;
use std::ops::ControlFlow;

/// One sampling step, reported after its first model evaluation and before `x` is updated.
#[derive(Debug)]
pub struct Step<'a> {
    /// Index of the step, from 0.
    pub index: usize,
    /// Number of steps in the run.
    pub total: usize,
    /// Noise level of `x`.
    pub sigma: f32,
    /// The noisy latents given to the model, `[batch, channels, height, width]`, not scaled for its input.
    pub x: &'a Tensor<4>,
    /// The estimate of the finished latents (x0), of the same shape. Previews are made from it.
    pub denoised: &'a Tensor<4>,
    /// What the sampler keeps of earlier steps, newest first.
    pub past: &'a [Past],
    /// Position in the stream of the steps' noise. A step draws its noise after it is observed.
    pub noise: NoisePosition,
}

impl Step<'_> {
    /// The state before this step, from which [`Sample::sample_from`](crate::Sample::sample_from) continues the run. Holds
    /// handles on tensors and reads nothing from the device.
    pub fn state(&self) -> SamplerState {
        SamplerState { step: self.index, x: self.x.clone(), past: self.past.to_vec(), noise: self.noise }
    }
}

/// How to end a run before its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Discard the run.
    Cancel,
    /// Return the current estimate as the result.
    Keep,
}

/// Observes a run. Called exactly once per step, also by samplers that evaluate the model twice per step.
pub trait Observer {
    /// Receives a step. Returns `ControlFlow::Continue(())` to go on, or `Break` with a [`Stop`] to end the run.
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop>;

    /// Whether the run should stop before its step with this index, counted from 0, so that it can be continued later. Asked
    /// once before each step. A run that stops has lost no evaluation: see [`Outcome::Paused`](crate::Outcome::Paused).
    fn pauses_before(&mut self, _index: usize) -> bool {
        false
    }

    /// Whether the run has been cancelled. Checked before every model evaluation, so that a cancellation takes effect
    /// within a step. Must be cheap (an atomic flag).
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<F: FnMut(&Step<'_>) -> ControlFlow<Stop>> Observer for F {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        self(step)
    }
}

/// The observer that does nothing and never stops the run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn step(&mut self, _step: &Step<'_>) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
}
