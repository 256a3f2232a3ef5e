//! Runs the sampler of one attempt, from its first step or from the steps that are done.

use super::{error::GenerationError, eta::Eta, inputs::Inputs, overnight::Aside};
use crate::{
    injected::FaultInjector,
    previews::{DoneStep, PreviewQueue},
    slot::Slot,
    traces::{Begun, TraceQueue},
};
use diffusion::{Observer, Step, Stop};
use protocol::{Track, TrackChange};
use sdxl::{Generated, Params};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// What affects the time of a run, or its estimate.
pub(super) struct Pace<'a> {
    /// Time that decoding the last picture of this size took.
    pub(super) decode: Option<Duration>,
    /// For tests of the recovery.
    pub(super) faults: &'a FaultInjector,
    /// Whether it makes room for others.
    pub(super) aside: &'a Aside<'a>,
}

/// Samples and decodes the picture, and passes each step to the queues. Between two steps at which the track changes
/// something the sampler goes on from its state with the other values.
pub(super) fn sample(
    pace: &Pace<'_>,
    Inputs { params, pipeline, networks, header, track, begun }: &Inputs,
    slot: &Slot,
    (queue, trace): (&PreviewQueue, &TraceQueue),
) -> Result<Generated, GenerationError> {
    let device = &pipeline.compute().device;
    let mut state = begun.as_ref().map(|begun| begun.state_for(header, device)).transpose()?;
    let mut done = begun.as_ref().map_or(0, Begun::step);
    let mut now = changed(params, track, done);
    let mut conditioning = pipeline.encode_with(networks, &now)?;
    let (eta, faults) = (Eta::new(pace.decode, Instant::now()), pace.faults);
    let (total, change, aside) = (header.steps(), track.next_after(done), pace.aside);
    let mut watch = Watch { slot, queue, trace, eta, faults, total, change, aside, began: done, is_aside: false };
    loop {
        let generated = match state.take() {
            Some(state) => {
                let sigmas = header.sigmas.clone();
                pipeline.continue_from_with(networks, &now, conditioning, (sigmas, state), &mut watch)?
            }
            None => pipeline.generate_from_with(networks, &now, conditioning, &mut watch)?,
        };
        match generated {
            Generated::Paused { state: at, .. } if !watch.stops(at.step) => {
                done = count(at.step);
                (now, watch.change, state) = (changed(params, track, done), track.next_after(done), Some(*at));
                conditioning = pipeline.encode_with(networks, &now)?;
            }
            ended => return Ok(ended),
        }
    }
}

/// The parameters of the step after `done` steps.
fn changed(params: &Params, track: &Track, done: u32) -> Params {
    let TrackChange { prompt, negative_prompt, cfg_scale, .. } = track.at(done);
    let mut params = params.clone();
    params.prompt = prompt.unwrap_or(params.prompt);
    params.negative_prompt = negative_prompt.unwrap_or(params.negative_prompt);
    params.cfg_scale = cfg_scale.unwrap_or(params.cfg_scale);
    params
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Observes the sampler: passes each step on without reading from the device.
struct Watch<'a> {
    slot: &'a Slot,
    queue: &'a PreviewQueue,
    trace: &'a TraceQueue,
    eta: Eta,
    faults: &'a FaultInjector,
    /// Steps of the whole run.
    total: u32,
    /// How many steps are done at the next change.
    change: Option<u32>,
    aside: &'a Aside<'a>,
    /// How many steps were done when the attempt began.
    began: u32,
    /// Whether it has decided to make room for others.
    is_aside: bool,
}

impl Watch<'_> {
    /// Whether the attempt stops before the step after `done` steps: to be paused or changed, or to make room for others. Each
    /// attempt does a step at least before it makes room, so that it gets on whatever waits.
    fn stops(&mut self, done: usize) -> bool {
        self.is_aside = self.is_aside || (count(done) > self.began && self.aside.is_due());
        let is_due = self.is_aside || self.slot.steer.is_due(done);
        is_due || self.slot.takes_pause() || self.slot.pauses_after(count(done))
    }
}

impl Observer for Watch<'_> {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        if self.slot.is_stopped() {
            return ControlFlow::Break(Stop::Cancel);
        }
        let (index, total) = (count(step.index + 1), self.total);
        self.faults.at_step(index, || self.slot.is_stopped());
        let (took, eta_ms) = self.eta.step_done(index, total, Instant::now());
        // The benchmark `live` measures from here.
        tracing::trace!(task.id = %self.slot.task_id, step = index, "step done");
        self.queue.push(DoneStep { step: index, total, took, eta_ms }, step.denoised);
        self.trace.push(step);
        match self.slot.is_kept() {
            true => ControlFlow::Break(Stop::Keep),
            false => ControlFlow::Continue(()),
        }
    }

    fn pauses_before(&mut self, index: usize) -> bool {
        self.stops(index) || self.change == Some(count(index))
    }

    fn is_cancelled(&self) -> bool {
        self.slot.is_stopped()
    }
}
