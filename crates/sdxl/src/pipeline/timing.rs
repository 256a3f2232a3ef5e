//! Where the time goes.

use diffusion::{Observer, Step, Stop};
use std::{
    cell::Cell,
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Seconds, the device synchronised at each border.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timings {
    /// Both prompts through both encoders.
    pub text_encode_s: f64,
    /// Each step whole: every call of the network and the sampler's own arithmetic, without the observer.
    pub steps_s: Vec<f64>,
    /// The time spent in the observer at each step.
    pub observer_s: Vec<f64>,
    /// Latents to picture.
    pub decode_s: f64,
    /// Everything.
    pub total_s: f64,
}

/// Tells where steps begin: the network's call before an observer's call is a step's first.
#[derive(Default)]
pub(super) struct Clock {
    last_call: Cell<Option<Instant>>,
}

impl Clock {
    /// The network is about to be called.
    pub(super) fn network_called(&self) {
        self.last_call.set(Some(Instant::now()));
    }
}

/// An observer that notes times around another.
pub(super) struct Timed<'a> {
    observer: &'a mut dyn Observer,
    clock: &'a Clock,
    starts: Vec<Instant>,
    observed: Vec<Duration>,
}

impl<'a> Timed<'a> {
    pub(super) fn new(observer: &'a mut dyn Observer, clock: &'a Clock) -> Self {
        Self { observer, clock, starts: Vec::new(), observed: Vec::new() }
    }

    /// The times, as of the end of the last step.
    pub(super) fn finish(self) -> Timings {
        let end = Instant::now();
        let ends = self.starts.iter().skip(1).copied().chain([end]);
        let whole = self.starts.iter().zip(ends).map(|(start, end)| end - *start);
        Timings {
            steps_s: whole.zip(&self.observed).map(|(w, o)| w.saturating_sub(*o).as_secs_f64()).collect(),
            observer_s: self.observed.iter().map(Duration::as_secs_f64).collect(),
            ..Timings::default()
        }
    }
}

impl Observer for Timed<'_> {
    fn step(&mut self, step: &Step<'_>) -> ControlFlow<Stop> {
        let called = Instant::now();
        self.starts.push(self.clock.last_call.get().unwrap_or(called));
        let flow = self.observer.step(step);
        self.observed.push(called.elapsed());
        flow
    }

    fn is_cancelled(&self) -> bool {
        self.observer.is_cancelled()
    }
}
