//! The estimate of the remaining time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Number of recent steps for the estimate of the remaining time.
const RECENT_STEPS: usize = 8;

/// Estimates the remaining time from the recent steps.
#[derive(Debug)]
pub(crate) struct Eta {
    last: Instant,
    steps: VecDeque<Duration>,
    /// Time that decoding the last picture of this size took; none before the first.
    decode: Option<Duration>,
}

impl Eta {
    /// `now` is the start of sampling, after the model is loaded and the prompt is encoded.
    pub(crate) fn new(decode: Option<Duration>, now: Instant) -> Self {
        Self { last: now, steps: VecDeque::new(), decode }
    }

    /// Records step `step` of `total`. Returns the time that it took, and the remaining time in milliseconds.
    pub(crate) fn step_done(&mut self, step: u32, total: u32, now: Instant) -> (Duration, u64) {
        let took = now.saturating_duration_since(self.last);
        self.last = now;
        if self.steps.len() == RECENT_STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(took);
        let count = u32::try_from(self.steps.len()).unwrap_or(u32::MAX).max(1);
        let mean = self.steps.iter().sum::<Duration>() / count;
        // Without a measurement, two steps: decoding takes one to three steps' time on a CPU, less on a GPU.
        let decode = self.decode.unwrap_or(mean * 2);
        let left = mean * total.saturating_sub(step) + decode;
        (took, u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_steps_and_counts_decoding() {
        let start = Instant::now();
        let mut eta = Eta::new(Some(Duration::from_secs(3)), start);
        let mut left = 0;
        for step in 1..=4 {
            (_, left) = eta.step_done(step, 10, start + Duration::from_secs(2) * step);
        }
        assert_eq!(left, 2000 * 6 + 3000);
        // The machine speeds up: after eight fast steps the slow ones no longer count.
        let mut eta = Eta::new(None, start);
        let mut now = start;
        for step in 1..=20 {
            now += Duration::from_secs(if step <= 12 { 5 } else { 1 });
            (_, left) = eta.step_done(step, 100, now);
        }
        assert_eq!(left, 80 * 1000 + 2000);
    }
}
