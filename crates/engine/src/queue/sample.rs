//! Runs the sampler of one attempt, from its first step or from the steps that are done.

use super::{
    eta::Eta,
    generate::{GenerationError, Generator, Inputs},
};
use crate::{
    injected::FaultInjector,
    previews::{DoneStep, PreviewQueue},
    slot::Slot,
    traces::TraceQueue,
};
use diffusion::{Observer, Step, Stop};
use sdxl::Generated;
use std::{ops::ControlFlow, time::Instant};

/// Samples and decodes the picture, and passes each step to the queues.
pub(super) fn sample(
    generator: &Generator<'_>,
    Inputs { params, pipeline, networks, header, begun }: &Inputs,
    slot: &Slot,
    (queue, trace): (&PreviewQueue, &TraceQueue),
) -> Result<Generated, GenerationError> {
    let device = &pipeline.compute().device;
    let state = begun.as_ref().map(|begun| begun.state_for(header, device)).transpose()?;
    let conditioning = pipeline.encode_with(networks, params)?;
    let eta = Eta::new(generator.decode, Instant::now());
    let mut watch = Watch { slot, queue, trace, eta, faults: generator.faults };
    Ok(match state {
        Some(state) => {
            let sigmas = header.sigmas.clone();
            pipeline.continue_from_with(networks, params, conditioning, (sigmas, state), &mut watch)?
        }
        None => pipeline.generate_from_with(networks, params, conditioning, &mut watch)?,
    })
}

/// Observes the sampler: passes each step on without reading from the device.
struct Watch<'a> {
    slot: &'a Slot,
    queue: &'a PreviewQueue,
    trace: &'a TraceQueue,
    eta: Eta,
    faults: &'a FaultInjector,
}

impl Observer for Watch<'_> {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        if self.slot.is_stopped() {
            return ControlFlow::Break(Stop::Cancel);
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (index, total) = (count(step.index + 1), count(step.total));
        self.faults.at_step(index);
        let (took, eta_ms) = self.eta.step_done(index, total, Instant::now());
        self.queue.push(DoneStep { step: index, total, took, eta_ms }, step.denoised);
        self.trace.push(step);
        match self.slot.is_kept() {
            true => ControlFlow::Break(Stop::Keep),
            false => ControlFlow::Continue(()),
        }
    }

    fn pauses_before(&mut self, _index: usize) -> bool {
        self.slot.takes_pause()
    }

    fn is_cancelled(&self) -> bool {
        self.slot.is_stopped()
    }
}
