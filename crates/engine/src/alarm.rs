//! What wakes the workers.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Wakes workers, keeps them waiting, stops them.
#[derive(Debug)]
pub(crate) struct Alarm {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rings: u64,
    paused: bool,
    stopping: bool,
}

impl Alarm {
    pub(crate) fn new(paused: bool) -> Self {
        Self { state: Mutex::new(State { paused, ..State::default() }), changed: Condvar::new() }
    }

    pub(crate) fn ring(&self) {
        self.change(|_| ());
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.change(|state| state.paused = paused);
    }

    pub(crate) fn stop(&self) {
        self.change(|state| state.stopping = true);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.lock().paused
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.rings += 1;
        self.changed.notify_all();
    }

    /// Rings so far: what changes after this is not slept through.
    pub(crate) fn rings(&self) -> u64 {
        self.lock().rings
    }

    pub(crate) fn sleep(&self, seen: u64, at_most: Duration) {
        let asleep = |state: &mut State| state.rings == seen && !state.stopping;
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, at_most, asleep).unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
