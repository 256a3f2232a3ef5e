//! Turns on the device, first come, first served.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A fair lock: threads get it in the order of their requests, so that several pictures on one device advance one step
/// each in turn. `std`'s mutex may serve the same thread repeatedly.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    queue: Mutex<Queue>,
    served: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    next_ticket: u64,
    serving: u64,
}

/// Guard of the lock: holds the device until it is dropped.
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for the device and returns its guard.
    pub(crate) fn take(&self) -> Turn<'_> {
        let mut queue = self.lock();
        let ticket = queue.next_ticket;
        queue.next_ticket += 1;
        while queue.serving != ticket {
            queue = self.served.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The two counters are always consistent, so a panic in another thread does no harm.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().serving += 1;
        self.0.served.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, thread, time::Duration};

    #[test]
    fn two_threads_that_always_want_it_alternate() {
        let turns = Arc::new(Turns::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        let gate = turns.take();
        let threads: Vec<_> = ["a", "b"]
            .map(|name| {
                let (turns, log) = (turns.clone(), log.clone());
                thread::spawn(move || {
                    for _ in 0..20 {
                        let _turn = turns.take();
                        log.lock().expect("no panic").push(name);
                        // Long enough for the other thread to request the lock again.
                        thread::sleep(Duration::from_millis(5));
                    }
                })
            })
            .into();
        thread::sleep(Duration::from_millis(50));
        drop(gate);
        threads.into_iter().for_each(|t| t.join().expect("no panic"));
        let log = log.lock().expect("no panic");
        let changes = log.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes >= 35, "{changes} changes in {log:?}");
    }

    #[test]
    fn a_panic_gives_the_turn_back() {
        let turns = Arc::new(Turns::default());
        let other = turns.clone();
        let thread = thread::spawn(move || {
            let _turn = other.take();
            panic!("on purpose");
        });
        assert!(thread.join().is_err());
        drop(turns.take());
    }
}
