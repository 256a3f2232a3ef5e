//! The queue from a sampler to a writer of previews or traces.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// What waits for the writer, and what its two sides share.
#[derive(Default)]
pub(crate) struct Waiting<T, S> {
    pub(crate) steps: VecDeque<T>,
    pub(crate) shared: S,
    ended: bool,
}

/// A queue from the sampler's thread, which never waits, to a writer's thread.
pub(crate) struct StepQueue<T, S = ()> {
    waiting: Mutex<Waiting<T, S>>,
    changed: Condvar,
}

impl<T, S: Default> Default for StepQueue<T, S> {
    fn default() -> Self {
        let shared = S::default();
        Self { waiting: Mutex::new(Waiting { steps: VecDeque::new(), shared, ended: false }), changed: Condvar::new() }
    }
}

impl<T, S> StepQueue<T, S> {
    /// Changes what waits and wakes the writer.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Waiting<T, S>)) {
        change(&mut self.lock());
        self.changed.notify_one();
    }

    /// Ends the queue: no further step follows.
    pub(crate) fn end(&self) {
        self.update(|waiting| waiting.ended = true);
    }

    /// The oldest step. Waits for one; `None` after the last one of a queue that has ended.
    pub(crate) fn next(&self) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            if let Some(step) = waiting.steps.pop_front() {
                return Some(step);
            }
            if waiting.ended {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting<T, S>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
