//! Who runs beside whom. A task during which the server ended without being stopped is made alone: otherwise those that
//! happened to run beside it would be blamed for the next such end.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Lets workers in, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    door: Mutex<()>,
    at_work: RwLock<()>,
}

/// A worker before it has a task; no other can take one meanwhile.
pub(crate) struct AtDoor<'a> {
    turns: &'a Turns,
    _door: MutexGuard<'a, ()>,
}

/// A worker that has a task.
pub(crate) enum Turn<'a> {
    /// Others may run beside it.
    Beside { _guard: RwLockReadGuard<'a, ()> },
    /// Nobody runs beside it.
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

impl Turns {
    /// Waits until this worker may take a task.
    pub(crate) fn wait(&self) -> AtDoor<'_> {
        AtDoor { turns: self, _door: self.door.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl<'a> AtDoor<'a> {
    /// Waits until nobody works who must be alone.
    pub(crate) fn beside(&self) -> Turn<'a> {
        Turn::Beside { _guard: self.turns.at_work.read().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Waits until nobody works.
    pub(crate) fn alone(&self) -> Turn<'a> {
        Turn::Alone { _guard: self.turns.at_work.write().unwrap_or_else(PoisonError::into_inner) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread, time::Duration};

    #[test]
    fn who_must_be_alone_waits_for_the_others_and_they_for_it() {
        let turns = Turns::default();
        let (told, heard) = mpsc::channel();
        thread::scope(|scope| {
            let first = turns.wait().beside();
            let second = turns.wait().beside();
            scope.spawn(|| {
                let alone = turns.wait().alone();
                told.send("alone").expect("heard");
                thread::sleep(Duration::from_millis(50));
                told.send("done").expect("heard");
                drop(alone);
            });
            assert!(heard.recv_timeout(Duration::from_millis(50)).is_err(), "two still work");
            drop((first, second));
            assert_eq!(heard.recv(), Ok("alone"));
            let _third = turns.wait().beside();
            assert_eq!(heard.try_recv(), Ok("done"), "it worked alone");
        });
    }
}
