//! Running attempts: their progress, and the signals to stop or keep them. Kept in memory, not in the database.

use protocol::{ModelLoading, TaskId};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// One running attempt at a task.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) task_id: TaskId,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    stopped: AtomicBool,
    keep: AtomicBool,
    /// Whether it was cancelled while the database could not be changed. The attempt records it later.
    cancelled: AtomicBool,
    /// Whether the attempt may write files and publish events; locked while it does.
    open: Mutex<bool>,
    /// Until when this server is sure to hold the run. None where no other server can take it up.
    sure_until: Mutex<Option<Instant>>,
    /// Has its own lock, so that a list of tasks does not wait for a picture to be written.
    progress: Mutex<Progress>,
    /// A warning for the user.
    warning: Mutex<Option<String>>,
    /// The model that is being loaded for the attempt.
    loading: Mutex<Option<ModelLoading>>,
    /// Whether the attempt has ended.
    ended: watch::Sender<bool>,
}

/// Progress of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of the attempt, 1 for the first.
    pub attempt: u32,
    /// Steps done whose previews are written.
    pub step: u32,
    /// Remaining time, milliseconds.
    pub eta_ms: Option<u64>,
    /// The temporary error that it waits for, for messages.
    pub waiting_for: Option<&'static str>,
}

impl Slot {
    fn new(task_id: TaskId, attempt: u32, key: String) -> Self {
        let progress = Progress { attempt, ..Progress::default() };
        let (open, progress) = (Mutex::new(true), Mutex::new(progress));
        let (stopped, keep, cancelled) = Default::default();
        Self {
            task_id,
            attempt,
            key,
            stopped,
            keep,
            cancelled,
            open,
            sure_until: Mutex::default(),
            progress,
            warning: Mutex::default(),
            loading: Mutex::default(),
            ended: watch::Sender::new(false),
        }
    }

    /// Whether the sampler should stop without a picture.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether the sampler should stop and return its current estimate.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep.load(Ordering::Relaxed)
    }

    /// Asks the sampler to stop and return its current estimate.
    pub(crate) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Asks the sampler to stop. Files and events are allowed until [`Slot::close`].
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Asks the sampler to stop, and the attempt to record its cancellation once the database can be changed.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// Whether the attempt should record its cancellation.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Stops the attempt. After this returns, it writes no file and publishes no event, so the caller may remove its files.
    /// Waits for a file that is being written.
    pub(crate) fn close(&self) {
        self.stop();
        *self.lock() = false;
    }

    /// The run is this server's until then at least. Without a further call nothing is written or published afterwards.
    pub(crate) fn renew(&self, until: Instant) {
        *self.sure_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Whether another server may have taken the task up: the run could not be renewed, or this process was stopped.
    fn is_unsure(&self) -> bool {
        let sure_until = *self.sure_until.lock().unwrap_or_else(PoisonError::into_inner);
        sure_until.is_some_and(|until| Instant::now() >= until)
    }

    /// Runs `action` unless the slot is closed or the run may be another server's. The slot cannot be closed meanwhile.
    pub(crate) fn if_open<T>(&self, action: impl FnOnce() -> T) -> Option<T> {
        let open = self.lock();
        (*open && !self.is_unsure()).then(action)
    }

    /// Records a step whose preview is written, and publishes it unless the slot is closed or the run may be another server's.
    pub(crate) fn advance(&self, step: u32, eta_ms: Option<u64>, publish: impl FnOnce(Progress)) {
        let open = self.lock();
        if *open && !self.is_unsure() {
            let progress = Progress { attempt: self.attempt, step, eta_ms, waiting_for: None };
            *self.lock_progress() = progress;
            publish(progress);
        }
    }

    /// Records the temporary error that the attempt waits for (none: it goes on), and publishes it unless the slot is
    /// closed.
    pub(crate) fn wait_for(&self, reason: Option<&'static str>, publish: impl FnOnce(Progress)) {
        let open = self.lock();
        if *open {
            let now = {
                let mut progress = self.lock_progress();
                (progress.eta_ms, progress.waiting_for) = (None, reason);
                *progress
            };
            if !self.is_unsure() {
                publish(now);
            }
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.lock_progress()
    }

    /// Sets the warning for the user.
    pub(crate) fn warn(&self, why: String) {
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(crate) fn warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the model that is being loaded; none when it is loaded. Returns whether that changed anything.
    pub(crate) fn set_loading(&self, now: Option<ModelLoading>) -> bool {
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *loading != now;
        *loading = now;
        changed
    }

    pub(crate) fn loading(&self) -> Option<ModelLoading> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the attempt has ended, but no longer than `at_most`.
    pub(crate) async fn wait_for_end(&self, at_most: Duration) {
        let mut ended = self.ended.subscribe();
        // An error is the timeout. The sender lives as long as `self`.
        tokio::time::timeout(at_most, ended.wait_for(|ended| *ended)).await.ok();
    }

    fn lock_progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All running attempts, by task.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<HashMap<TaskId, Arc<Slot>>>);

/// Keeps an attempt listed as running until it is dropped.
pub(crate) struct Listed<'a> {
    slots: &'a Slots,
    pub(crate) slot: Arc<Slot>,
}

impl Slots {
    pub(crate) fn begin(&self, task_id: TaskId, attempt: u32, key: String) -> Listed<'_> {
        let slot = Arc::new(Slot::new(task_id, attempt, key));
        self.lock().insert(task_id, Arc::clone(&slot));
        Listed { slots: self, slot }
    }

    pub(crate) fn get(&self, task_id: TaskId) -> Option<Arc<Slot>> {
        self.lock().get(&task_id).cloned()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<Slot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut slots = self.slots.lock();
        // A later attempt at the same task may have replaced it.
        if slots.get(&self.slot.task_id).is_some_and(|listed| Arc::ptr_eq(listed, &self.slot)) {
            slots.remove(&self.slot.task_id);
        }
        drop(slots);
        // After the removal: a waiting task must not find the attempt still listed.
        self.slot.ended.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_attempt_writes_and_tells_nothing() {
        let slots = Slots::default();
        let listed = slots.begin(TaskId(1), 2, "key".into());
        let slot = slots.get(TaskId(1)).expect("listed");
        assert_eq!(slot.if_open(|| 7), Some(7));
        let mut published = Vec::new();
        slot.advance(1, Some(9), |progress| published.push(progress));
        slot.close();
        slot.advance(2, None, |progress| published.push(progress));
        slot.wait_for(Some("nothing"), |progress| published.push(progress));
        assert_eq!(published, [Progress { attempt: 2, step: 1, eta_ms: Some(9), waiting_for: None }]);
        assert_eq!((slot.if_open(|| 7), slot.progress().step, slot.is_stopped()), (None, 1, true));
        drop(listed);
        assert!(slots.get(TaskId(1)).is_none());
    }

    #[test]
    fn an_attempt_that_may_be_another_servers_writes_and_tells_nothing_until_it_is_renewed() {
        let slot = Slot::new(TaskId(1), 2, "key".into());
        let mut steps = Vec::new();
        let now = Instant::now();
        for (step, until) in [(1, now + Duration::from_secs(60)), (2, now), (3, now + Duration::from_secs(60))] {
            slot.renew(until);
            slot.advance(step, None, |progress| steps.push(progress.step));
            assert_eq!(slot.if_open(|| ()).is_some(), step != 2);
        }
        assert_eq!(steps, [1, 3]);
        assert!(!slot.is_stopped(), "it goes on meanwhile");
    }

    #[test]
    fn what_an_attempt_waits_for_is_told_with_the_step_it_is_at() {
        let slot = Slot::new(TaskId(1), 2, "key".into());
        let mut published = Vec::new();
        slot.advance(30, Some(9), |_| ());
        slot.wait_for(Some("the disk is full"), |progress| published.push(progress));
        slot.wait_for(None, |progress| published.push(progress));
        let at = |waiting_for| Progress { attempt: 2, step: 30, eta_ms: None, waiting_for };
        assert_eq!(published, [at(Some("the disk is full")), at(None)]);
    }

    #[test]
    fn an_older_attempt_does_not_unlist_a_newer_one() {
        let slots = Slots::default();
        let old = slots.begin(TaskId(1), 1, "a".into());
        let _new = slots.begin(TaskId(1), 2, "b".into());
        drop(old);
        assert_eq!(slots.get(TaskId(1)).map(|slot| slot.attempt), Some(2));
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn waiting_for_the_end_is_over_when_the_attempt_is_and_not_at_its_time_limit() {
        let slots = Slots::default();
        let listed = slots.begin(TaskId(1), 1, "key".into());
        let slot = Arc::clone(&listed.slot);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                drop(listed);
            });
            block_on(async {
                slot.wait_for_end(Duration::from_millis(1)).await;
                assert!(slots.get(TaskId(1)).is_some(), "the time limit ended the wait");
                // Without the notification each of these waits for an hour: the outer limit fails the test.
                for _ in 0..2 {
                    let waited = slot.wait_for_end(Duration::from_secs(3600));
                    tokio::time::timeout(Duration::from_secs(20), waited).await.expect("it is notified");
                    assert!(slots.get(TaskId(1)).is_none(), "it is not listed any more");
                }
            });
        });
    }
}
