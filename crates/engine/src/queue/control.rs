//! Controls the workers: wake, pause, stop.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Wakes, pauses and stops the workers: a condition variable with its state.
#[derive(Debug)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Number of changes so far, so that a worker cannot miss one between looking at the queue and sleeping.
    changes: u64,
    paused: bool,
    stopping: bool,
}

impl Control {
    pub(crate) fn new(paused: bool) -> Self {
        Self { state: Mutex::new(State { paused, ..State::default() }), changed: Condvar::new() }
    }

    /// Wakes all workers that sleep.
    pub(crate) fn wake(&self) {
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
        state.changes += 1;
        self.changed.notify_all();
    }

    /// Number of changes so far, for [`Control::sleep`].
    pub(crate) fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Sleeps until the number of changes differs from `seen`, the workers are stopped, or `at_most` has passed.
    pub(crate) fn sleep(&self, seen: u64, at_most: Duration) {
        let asleep = |state: &mut State| state.changes == seen && !state.stopping;
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, at_most, asleep).unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{Arc, mpsc},
        thread,
    };

    /// Sleeps in another thread, for an hour if nothing wakes it. Returns whether that ends within 20 seconds.
    fn sleeps_briefly(control: &Arc<Control>, seen: u64, meanwhile: impl FnOnce()) -> bool {
        let (end, ended) = mpsc::channel();
        let sleeper = Arc::clone(control);
        thread::spawn(move || {
            sleeper.sleep(seen, Duration::from_secs(3600));
            end.send(()).ok();
        });
        meanwhile();
        ended.recv_timeout(Duration::from_secs(20)).is_ok()
    }

    #[test]
    fn no_change_is_missed_between_the_look_and_the_sleep() {
        let control = Arc::new(Control::new(false));
        for change in [Control::wake as fn(&Control), |control| control.pause(true), |control| control.pause(false)] {
            let seen = control.changes();
            change(&control);
            assert!(sleeps_briefly(&control, seen, || ()));
        }
    }

    #[test]
    fn a_change_wakes_a_worker_that_sleeps() {
        let control = Arc::new(Control::new(false));
        let wake_later = || {
            thread::sleep(Duration::from_millis(50));
            control.wake();
        };
        assert!(sleeps_briefly(&control, control.changes(), wake_later));
        control.stop();
        assert!(sleeps_briefly(&control, control.changes(), || ()), "no worker sleeps while they are stopped");
    }
}
