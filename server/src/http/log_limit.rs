//! Rate limit for log lines that unauthenticated clients can cause.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Passes `most` lines per window and counts those left out.
#[derive(Debug)]
pub struct LogLimit {
    most: u32,
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    logged: u32,
    left_out: u64,
}

impl LogLimit {
    /// A limit of `most` lines per `window`.
    pub fn new(most: u32, window: Duration) -> Self {
        Self { most, window, state: Mutex::default() }
    }

    /// The number of lines left out before this one if it may be logged, else `None`.
    pub fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.began.is_none_or(|began| now.duration_since(began) >= self.window) {
            (state.began, state.logged) = (Some(now), 0);
        }
        if state.logged >= self.most {
            state.left_out += 1;
            return None;
        }
        state.logged += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_past_the_limit_are_counted_and_logged_with_the_next() {
        let (limit, now) = (LogLimit::new(2, Duration::from_secs(10)), Instant::now());
        let passes: Vec<_> = (0..5).map(|_| limit.pass_at(now)).collect();
        assert_eq!(passes, [Some(0), Some(0), None, None, None]);
        assert_eq!(limit.pass_at(now + Duration::from_secs(10)), Some(3));
        assert_eq!(limit.pass_at(now + Duration::from_secs(10)), Some(0));
    }
}
