//! Looks at the rows of the database, from beside the servers.

use super::machines::Machines;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const LOOK: Duration = Duration::from_millis(500);
/// How long a lease may be over, while the database is there and some process is not disturbed.
const MOST_OVER: Duration = Duration::from_secs(12);

/// `(tasks that run without a run, seconds since the oldest lease ended)`.
const RUNS: &str = "SELECT (SELECT count(*) FROM tasks t WHERE t.status = 'running' \
        AND NOT EXISTS (SELECT FROM runs r WHERE r.task_id = t.id AND r.attempt = t.attempt)), \
    (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - lease_until)), 0)::int FROM runs)";

/// Looks until it is finished.
pub struct Watcher {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Watcher {
    pub fn start(machines: &Arc<Machines>) -> Self {
        let (is_over, machines) = (Arc::<AtomicBool>::default(), Arc::clone(machines));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let (mut violations, mut steady) = (Vec::new(), Instant::now());
            while !over.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                let is_calm = machines.all.iter().any(|machine| !machine.is_faulted.load(Ordering::Relaxed));
                let Some((lost, over)) = machines.query(RUNS).filter(|_| is_calm).and_then(|row| read(&row)) else {
                    steady = Instant::now();
                    continue;
                };
                if lost > 0 {
                    violations.push(format!("{lost} tasks run without a run"));
                }
                if over > MOST_OVER.as_secs() && steady.elapsed() > 2 * MOST_OVER {
                    violations.push(format!("a lease has been over for {over} s"));
                }
            }
            violations
        });
        Self { is_over, thread }
    }

    /// Returns what is wrong.
    pub fn finish(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic")
    }
}

fn read(row: &str) -> Option<(u64, u64)> {
    let (lost, over) = row.split_once('|')?;
    Some((lost.parse().ok()?, u64::try_from(over.parse::<i64>().ok()?.max(0)).ok()?))
}
