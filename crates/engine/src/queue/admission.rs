//! Which tasks may run at the same time.
//!
//! A task during which the server ended uncleanly runs alone. Otherwise the tasks that happen to run beside it would be
//! blamed for the next unclean end as well.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Admits workers to the queue: one claims at a time, and tasks run beside each other or alone.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    claiming: Mutex<()>,
    running: RwLock<()>,
}

/// The right to claim a task; held by one worker at a time.
pub(crate) struct ClaimTurn<'a> {
    admission: &'a Admission,
    _claiming: MutexGuard<'a, ()>,
}

/// The right to run a task; held while it runs.
pub(crate) enum Permit<'a> {
    /// Other tasks may run at the same time.
    Shared { _guard: RwLockReadGuard<'a, ()> },
    /// No other task runs at the same time.
    Exclusive { _guard: RwLockWriteGuard<'a, ()> },
}

impl Admission {
    /// Waits until this worker may claim a task.
    pub(crate) fn wait(&self) -> ClaimTurn<'_> {
        ClaimTurn { admission: self, _claiming: self.claiming.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl<'a> ClaimTurn<'a> {
    /// Waits until no task runs alone.
    pub(crate) fn shared(&self) -> Permit<'a> {
        Permit::Shared { _guard: self.admission.running.read().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Waits until no task runs.
    pub(crate) fn exclusive(&self) -> Permit<'a> {
        Permit::Exclusive { _guard: self.admission.running.write().unwrap_or_else(PoisonError::into_inner) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread, time::Duration};

    #[test]
    fn an_exclusive_task_waits_for_the_others_and_they_wait_for_it() {
        let admission = Admission::default();
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let first = admission.wait().shared();
            let second = admission.wait().shared();
            scope.spawn(|| {
                let exclusive = admission.wait().exclusive();
                sender.send("exclusive").expect("received");
                thread::sleep(Duration::from_millis(50));
                sender.send("done").expect("received");
                drop(exclusive);
            });
            assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err(), "two tasks still run");
            drop((first, second));
            assert_eq!(receiver.recv(), Ok("exclusive"));
            let _third = admission.wait().shared();
            assert_eq!(receiver.try_recv(), Ok("done"), "it ran alone");
        });
    }
}
