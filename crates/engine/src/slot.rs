//! What is known of the tasks that run: steps and times live here, not in the database.

use protocol::TaskId;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Steps that the estimate of the time left looks back on.
const REMEMBERED_STEPS: usize = 8;

/// One attempt at a task while it runs.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) task_id: TaskId,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    stopped: AtomicBool,
    keep: AtomicBool,
    /// Whether a person cancelled it while the database could not be changed: the attempt records it once it can.
    cancelled: AtomicBool,
    /// Whether the attempt may still write files and tell of itself; held while it does.
    open: Mutex<bool>,
    /// Apart from that: a list of tasks asks for it, and does not wait until a picture is on the disk.
    progress: Mutex<Progress>,
    /// What a person should know, in words.
    warning: Mutex<Option<String>>,
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Counts the task's starts.
    pub attempt: u32,
    /// Steps done whose preview stands at its address.
    pub step: u32,
    /// Time to the picture, milliseconds.
    pub eta_ms: Option<u64>,
    /// What it waits for before it goes on by itself, in words for people.
    pub waiting_for: Option<&'static str>,
}

impl Slot {
    fn new(task_id: TaskId, attempt: u32, key: String) -> Self {
        let progress = Progress { attempt, ..Progress::default() };
        let (open, progress) = (Mutex::new(true), Mutex::new(progress));
        let (stopped, keep, cancelled) = Default::default();
        Self { task_id, attempt, key, stopped, keep, cancelled, open, progress, warning: Mutex::default() }
    }

    /// Whether the sampler is to stop and leave nothing.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether the sampler is to stop and hand out what it has.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep.load(Ordering::Relaxed)
    }

    /// Asks the sampler to stop and hand out what it has.
    pub(crate) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Asks the sampler to stop; files and events go on until [`Slot::close`].
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Asks the sampler to stop, and the attempt to record that it was cancelled as soon as the database takes it.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// Whether the attempt is to record that it was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// From when this returns, the attempt writes no file and tells nothing: whoever closed it decides what
    /// becomes of its files. A preview that is just being written is written to its end first.
    pub(crate) fn close(&self) {
        self.stop();
        *self.lock() = false;
    }

    /// Does what an attempt does only while it is open.
    pub(crate) fn if_open<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let open = self.lock();
        open.then(act)
    }

    /// A step is done and its preview stands; publishes that while the attempt is open.
    pub(crate) fn advance(&self, step: u32, eta_ms: Option<u64>, tell: impl FnOnce(Progress)) {
        let open = self.lock();
        if *open {
            let progress = Progress { attempt: self.attempt, step, eta_ms, waiting_for: None };
            *self.lock_progress() = progress;
            tell(progress);
        }
    }

    /// The attempt waits for something, or for nothing any more; publishes that while the attempt is open.
    pub(crate) fn wait_for(&self, reason: Option<&'static str>, tell: impl FnOnce(Progress)) {
        let open = self.lock();
        if *open {
            let now = {
                let mut progress = self.lock_progress();
                (progress.eta_ms, progress.waiting_for) = (None, reason);
                *progress
            };
            tell(now);
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        *self.lock_progress()
    }

    /// Keeps what a person should know of this attempt.
    pub(crate) fn warn(&self, why: String) {
        *self.warning.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(crate) fn warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock_progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every attempt that runs.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<HashMap<TaskId, Arc<Slot>>>);

/// An attempt that is listed until this is dropped.
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
        // A later attempt at the same task may have taken the place.
        if slots.get(&self.slot.task_id).is_some_and(|listed| Arc::ptr_eq(listed, &self.slot)) {
            slots.remove(&self.slot.task_id);
        }
    }
}

/// The time left, from the steps already done.
#[derive(Debug)]
pub(crate) struct Eta {
    last: Instant,
    steps: VecDeque<Duration>,
    /// What decoding took last time, at this size; none before the first picture.
    decode: Option<Duration>,
}

impl Eta {
    /// Sampling begins at `now`: loading and encoding the prompt are done and come once.
    pub(crate) fn new(decode: Option<Duration>, now: Instant) -> Self {
        Self { last: now, steps: VecDeque::new(), decode }
    }

    /// Step `step` of `total` is done. What it took, and the time to the picture in milliseconds.
    pub(crate) fn step_done(&mut self, step: u32, total: u32, now: Instant) -> (Duration, u64) {
        let took = now.saturating_duration_since(self.last);
        self.last = now;
        if self.steps.len() == REMEMBERED_STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(took);
        let count = u32::try_from(self.steps.len()).unwrap_or(u32::MAX).max(1);
        let mean = self.steps.iter().sum::<Duration>() / count;
        // Decoding a picture takes one to three steps' time on a CPU, less on a GPU.
        let decode = self.decode.unwrap_or(mean * 2);
        let left = mean * total.saturating_sub(step) + decode;
        (took, u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_steps_and_counts_decoding() {
        let start = Instant::now();
        let mut eta = Eta::new(Some(Duration::from_secs(3)), start);
        let mut left = 0;
        for step in 1..=4 {
            (_, left) = eta.step_done(step, 10, start + Duration::from_secs(2) * step);
        }
        assert_eq!(left, 2000 * 6 + 3000);
        // The machine grows quicker: after eight quick steps the slow ones are forgotten.
        let mut eta = Eta::new(None, start);
        let mut now = start;
        for step in 1..=20 {
            now += Duration::from_secs(if step <= 12 { 5 } else { 1 });
            (_, left) = eta.step_done(step, 100, now);
        }
        assert_eq!(left, 80 * 1000 + 2000);
    }

    #[test]
    fn a_closed_attempt_writes_and_tells_nothing() {
        let slots = Slots::default();
        let listed = slots.begin(TaskId(1), 2, "key".into());
        let slot = slots.get(TaskId(1)).expect("listed");
        assert_eq!(slot.if_open(|| 7), Some(7));
        let mut told = Vec::new();
        slot.advance(1, Some(9), |progress| told.push(progress));
        slot.close();
        slot.advance(2, None, |progress| told.push(progress));
        slot.wait_for(Some("nothing"), |progress| told.push(progress));
        assert_eq!(told, [Progress { attempt: 2, step: 1, eta_ms: Some(9), waiting_for: None }]);
        assert_eq!((slot.if_open(|| 7), slot.progress().step, slot.is_stopped()), (None, 1, true));
        drop(listed);
        assert!(slots.get(TaskId(1)).is_none());
    }

    #[test]
    fn what_an_attempt_waits_for_is_told_with_the_step_it_is_at() {
        let slot = Slot::new(TaskId(1), 2, "key".into());
        let mut told = Vec::new();
        slot.advance(30, Some(9), |_| ());
        slot.wait_for(Some("the disk is full"), |progress| told.push(progress));
        slot.wait_for(None, |progress| told.push(progress));
        let at = |waiting_for| Progress { attempt: 2, step: 30, eta_ms: None, waiting_for };
        assert_eq!(told, [at(Some("the disk is full")), at(None)]);
    }

    #[test]
    fn an_older_attempt_does_not_unlist_a_newer_one() {
        let slots = Slots::default();
        let old = slots.begin(TaskId(1), 1, "a".into());
        let _new = slots.begin(TaskId(1), 2, "b".into());
        drop(old);
        assert_eq!(slots.get(TaskId(1)).map(|slot| slot.attempt), Some(2));
    }
}
