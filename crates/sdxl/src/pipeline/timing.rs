//! Where the time goes.

use diffusion::{Observer, Prompts, Step, Stop};
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
    last_call: Cell<Option<(Instant, Prompts)>>,
}

impl Clock {
    /// The network is about to be called. Where guidance takes two passes, the second belongs to the first.
    pub(super) fn network_called(&self, prompts: Prompts) {
        let began = match (self.last_call.get(), prompts) {
            (Some((began, Prompts::Negative)), Prompts::Positive) => began,
            _ => Instant::now(),
        };
        self.last_call.set(Some((began, prompts)));
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
        self.starts.push(self.clock.last_call.get().map_or(called, |(began, _)| began));
        let flow = self.observer.step(step);
        self.observed.push(called.elapsed());
        flow
    }

    fn is_cancelled(&self) -> bool {
        self.observer.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn a_step_of_two_passes_begins_with_the_first() {
        let clock = Clock::default();
        for _ in 0..2 {
            clock.network_called(Prompts::Negative);
            let (began, _) = clock.last_call.get().expect("called");
            sleep(Duration::from_millis(2));
            clock.network_called(Prompts::Positive);
            assert_eq!(clock.last_call.get(), Some((began, Prompts::Positive)));
        }
        let (second_step, _) = clock.last_call.get().expect("called");
        sleep(Duration::from_millis(2));
        clock.network_called(Prompts::NegativeThenPositive);
        assert!(clock.last_call.get().expect("called").0 > second_step);
    }
}
