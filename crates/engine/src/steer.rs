//! A change of a running attempt that its sampler takes up before its next step.

use protocol::TrackChange;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// What a user wants to change of a running attempt.
#[derive(Debug)]
pub(crate) struct Steer {
    state: Mutex<State>,
    /// How many of the taken changes are recorded.
    recorded: watch::Sender<u64>,
}

/// What the sampler takes up.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) change: TrackChange,
    /// Numbers of the requests of other servers that it does.
    pub(crate) asked: Vec<i64>,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<Wanted>,
    /// How many changes were taken.
    taken: u64,
}

impl Steer {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), recorded: watch::Sender::new(0) }
    }

    /// Wants a change; several before one step become one. Returns its number for [`Steer::wait_until_recorded`].
    pub(crate) fn want(&self, change: TrackChange) -> u64 {
        self.add(change, None)
    }

    /// As [`Steer::want`], for the request of another server with this number.
    pub(crate) fn want_for(&self, change: TrackChange, request: i64) {
        self.add(change, Some(request));
    }

    fn add(&self, change: TrackChange, request: Option<i64>) -> u64 {
        let mut state = self.lock();
        match &mut state.wanted {
            Some(wanted) => wanted.change.add(change),
            None => state.wanted = Some(Wanted { change, asked: Vec::new() }),
        }
        state.wanted.iter_mut().for_each(|wanted| wanted.asked.extend(request));
        state.taken + 1
    }

    /// Whether the sampler should stop before the step after `done` steps to take the change. The number of steps can only be
    /// changed after the first.
    pub(crate) fn is_due(&self, done: usize) -> bool {
        self.lock().wanted.as_ref().is_some_and(|wanted| done > 0 || wanted.change.finish_in.is_none())
    }

    /// The change that is wanted.
    pub(crate) fn take(&self) -> Option<Wanted> {
        let mut state = self.lock();
        let taken = state.wanted.take();
        state.taken += u64::from(taken.is_some());
        taken
    }

    /// Says that the taken change is recorded.
    pub(crate) fn record(&self) {
        let taken = self.lock().taken;
        self.recorded.send_replace(taken);
    }

    /// Waits until the change with this number is recorded, at most `at_most`.
    pub(crate) async fn wait_until_recorded(&self, number: u64, at_most: Duration) {
        let mut recorded = self.recorded.subscribe();
        // An error is the timeout. The sender lives as long as `self`.
        tokio::time::timeout(at_most, recorded.wait_for(|recorded| *recorded >= number)).await.ok();
    }

    /// Whether the change with this number is recorded.
    pub(crate) fn is_recorded(&self, number: u64) -> bool {
        *self.recorded.borrow() >= number
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(cfg_scale: f64) -> TrackChange {
        TrackChange { cfg_scale: Some(cfg_scale), ..TrackChange::default() }
    }

    #[test]
    fn changes_before_one_step_become_one_and_later_ones_have_the_next_number() {
        let steer = Steer::new();
        assert!(!steer.is_due(0) && steer.take().is_none());
        assert_eq!((steer.want(scale(2.0)), steer.want(scale(3.0))), (1, 1));
        assert!(steer.is_due(0));
        assert_eq!(steer.take(), Some(Wanted { change: scale(3.0), asked: Vec::new() }));
        assert_eq!(steer.want(scale(4.0)), 2, "the first is taken");
        steer.record();
        assert!(steer.is_recorded(1) && !steer.is_recorded(2));
        steer.take();
        steer.want(TrackChange { finish_in: Some(3), ..TrackChange::default() });
        assert!(!steer.is_due(0) && steer.is_due(1), "the number of steps changes after the first");
    }
}
