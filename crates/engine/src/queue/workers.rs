//! The workers' threads.

use std::{
    io,
    sync::{Mutex, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};
use tokio::sync::watch;

/// The threads of all workers.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Number of workers that have not ended.
    running: watch::Sender<usize>,
}

/// Counts one running worker until it is dropped, also during a panic.
struct Running(watch::Sender<usize>);

impl Running {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|running| *running += 1);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Workers {
    /// Starts `count` threads that each call `run` once.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub(crate) fn start(count: usize, run: impl Fn() + Clone + Send + 'static) -> io::Result<Self> {
        let running = watch::Sender::new(0);
        let mut threads = Vec::new();
        for number in 0..count {
            let (run, guard) = (run.clone(), Running::new(&running));
            let thread = Builder::new().name(format!("sampler-{number}")).spawn(move || {
                let _guard = guard;
                run();
            });
            threads.push(thread?);
        }
        Ok(Self { threads: Mutex::new(threads), running })
    }

    /// Waits until all workers have ended, but no longer than `at_most`. Returns whether they have.
    pub(crate) async fn wait(&self, at_most: Duration) -> bool {
        let mut running = self.running.subscribe();
        if tokio::time::timeout(at_most, running.wait_for(|running| *running == 0)).await.is_err() {
            return false;
        }
        // Their closures have returned, so joining does not block.
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            thread.join().ok();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};

    const LONG: Duration = Duration::from_secs(3600);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    }

    #[test]
    fn waiting_ends_with_the_last_worker_and_not_with_its_time_limit() {
        let (end, ended) = mpsc::channel::<()>();
        let ended = Arc::new(Mutex::new(ended));
        let run = move || {
            ended.lock().expect("unpoisoned").recv().ok();
        };
        let workers = Workers::start(3, run).expect("started");
        runtime().block_on(async {
            assert!(!workers.wait(Duration::from_millis(20)).await, "they are still running");
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                drop(end);
            });
            // Without the notification this waits for an hour: the outer limit fails the test.
            let waited = tokio::time::timeout(Duration::from_secs(20), workers.wait(LONG)).await;
            assert_eq!(waited, Ok(true));
            assert!(workers.wait(Duration::ZERO).await, "they stay ended");
        });
    }

    #[test]
    fn a_worker_that_panics_has_ended() {
        let workers = Workers::start(1, || panic!("on purpose")).expect("started");
        runtime().block_on(async {
            assert_eq!(tokio::time::timeout(Duration::from_secs(20), workers.wait(LONG)).await, Ok(true));
        });
    }
}
