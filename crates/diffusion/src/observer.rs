//! Watching a sampler, and stopping it.

use burn::tensor::Tensor;
use std::ops::ControlFlow;

/// One sampling step, after its (first) evaluation of the model and before `x` moves on.
#[derive(Debug)]
pub struct Step<'a> {
    /// 0 for the first step.
    pub index: usize,
    /// Steps in the whole run.
    pub total: usize,
    /// The noise level of `x`.
    pub sigma: f32,
    /// The noisy latents that the model saw, `[batch, channels, height, width]`, not scaled for its input.
    pub x: &'a Tensor<4>,
    /// The estimate of the finished latents (x0), of the same shape: what a preview is made of.
    pub denoised: &'a Tensor<4>,
}

/// How a run ends before its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is kept.
    Cancel,
    /// The present estimate becomes the result.
    Keep,
}

/// What watches a run. Called exactly once a step, also by samplers that evaluate the model twice.
pub trait Observer {
    /// Sees a step and says how to go on: `ControlFlow::Continue(())`, or `Break` with a [`Stop`].
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop>;

    /// Whether the run was cancelled meanwhile. Asked before every evaluation of the model, so that a
    /// cancellation takes effect within the step; it should be cheap (an atomic flag).
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<F: FnMut(&Step<'_>) -> ControlFlow<Stop>> Observer for F {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        self(step)
    }
}

/// Watches nothing and never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn step(&mut self, _step: &Step<'_>) -> ControlFlow<Stop> {
        ControlFlow::Continue(())
    }
}
