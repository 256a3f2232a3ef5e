//! A memory budget for work of one kind: a fair semaphore counted in bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Granularity of a share, bytes: the semaphore counts in 32 bits.
const UNIT: u64 = 64 * 1024;

/// The budget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    units: u32,
    waiting: Arc<AtomicUsize>,
}

/// A share of the budget, returned on drop.
#[derive(Debug)]
pub struct Share {
    of: Budget,
    permit: Option<OwnedSemaphorePermit>,
    bytes: u64,
}

/// When the last share is returned and was at least this large, bytes, freed memory is returned to the system.
const LARGE: u64 = 4 * 1024 * 1024;

impl Drop for Share {
    fn drop(&mut self) {
        drop(self.permit.take());
        if self.bytes >= LARGE && self.of.free.available_permits() == self.of.units as usize {
            huge_pages::trim();
        }
    }
}

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        let units = units(bytes);
        Self { free: Arc::new(Semaphore::new(units as usize)), units, waiting: Arc::default() }
    }

    /// Whether a caller is waiting for a share.
    pub fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Waits for a share of `bytes`, first come, first served. A request for more than the budget gets all of it.
    pub async fn share(&self, bytes: u64) -> Share {
        let _counted = Waiting::new(&self.waiting);
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free).acquire_many_owned(units(bytes).min(self.units)).await.ok();
        Share { of: self.clone(), permit, bytes }
    }
}

/// Counts a waiting caller until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn shares_wait_until_there_is_room_and_the_largest_for_all() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let budget = Budget::new(10 * UNIT);
            let waits =
                async |bytes| tokio::time::timeout(Duration::from_millis(20), budget.share(bytes)).await.is_err();
            let (small, large) = (budget.share(3 * UNIT).await, budget.share(6 * UNIT + 1).await);
            assert!(waits(1).await, "7 of 10 units and 3");
            assert!(!budget.is_waited_for(), "that call was given up");
            let waiting = tokio::spawn({
                let budget = budget.clone();
                async move { budget.share(UNIT).await }
            });
            tokio::task::yield_now().await;
            assert!(budget.is_waited_for());
            waiting.abort();
            drop(small);
            assert!(!waits(3 * UNIT).await);
            assert!(waits(100 * UNIT).await, "all of it");
            drop(large);
            assert!(!waits(100 * UNIT).await);
        });
    }
}
