//! Times of the stages.

use diffusion::{Observer, Prompts, Step, Stop};
use std::{
    cell::Cell,
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Times in seconds. The device is synchronised between stages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timings {
    /// Both prompts with both encoders.
    pub text_encode_s: f64,
    /// Each full step: all network calls and the sampler's arithmetic, without the observer.
    pub steps_s: Vec<f64>,
    /// Time spent in the observer in each step.
    pub observer_s: Vec<f64>,
    /// From latents to picture.
    pub decode_s: f64,
    /// The whole generation.
    pub total_s: f64,
}

/// Records when steps begin: at the network call that precedes the observer's call.
#[derive(Default)]
pub(super) struct Clock {
    last_call: Cell<Option<(Instant, Prompts)>>,
}

impl Clock {
    /// Called before each network call. If guidance makes several calls, the later ones belong to the first.
    pub(super) fn network_called(&self, prompts: Prompts) {
        let began = match (self.last_call.get(), prompts) {
            (Some((began, Prompts::Negative)), Prompts::Positive)
            | (Some((began, Prompts::Negative | Prompts::Part(_))), Prompts::Part(_)) => began,
            _ => Instant::now(),
        };
        self.last_call.set(Some((began, prompts)));
    }
}

/// Wraps an observer and records times.
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

    /// The times, with the end of the last step being now.
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

    fn pauses_before(&mut self, index: usize) -> bool {
        self.observer.pauses_before(index)
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
