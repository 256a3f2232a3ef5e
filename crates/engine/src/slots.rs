//! The list of the running attempts.

use crate::slot::{Progress, Slot};
use protocol::TaskId;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Ended attempts whose progress is remembered.
const MOST_ENDED: usize = 64;

/// All running attempts, by task.
#[derive(Debug, Default)]
pub(crate) struct Slots(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    slots: HashMap<TaskId, Arc<Slot>>,
    /// Tasks that are claimed and not listed yet, and should pause before their first step.
    pauses: HashSet<TaskId>,
    /// The newest attempts that have ended, newest first.
    ended: VecDeque<(TaskId, Progress)>,
}

/// Keeps an attempt listed as running until it is dropped.
pub(crate) struct Listed<'a> {
    slots: &'a Slots,
    pub(crate) slot: Arc<Slot>,
}

impl Slots {
    pub(crate) fn begin(&self, task_id: TaskId, attempt: u32, key: String) -> Listed<'_> {
        let slot = Arc::new(Slot::new(task_id, attempt, key));
        let mut running = self.lock();
        if running.pauses.remove(&task_id) {
            slot.pause();
        }
        running.slots.insert(task_id, Arc::clone(&slot));
        Listed { slots: self, slot }
    }

    pub(crate) fn get(&self, task_id: TaskId) -> Option<Arc<Slot>> {
        self.lock().slots.get(&task_id).cloned()
    }

    /// The progress of the newest attempt at a task, also if it has just ended: a reader may have read its row before that.
    pub(crate) fn progress(&self, task_id: TaskId) -> Option<Progress> {
        let running = self.lock();
        let here = running.slots.get(&task_id).map(|slot| slot.progress());
        here.or_else(|| running.ended.iter().find(|(ended, _)| *ended == task_id).map(|(_, progress)| *progress))
    }

    /// Asks the attempt at a running task to pause; one that is claimed but not listed yet (none is returned) as soon as it
    /// is.
    pub(crate) fn pause(&self, task_id: TaskId) -> Option<Arc<Slot>> {
        let mut running = self.lock();
        let slot = running.slots.get(&task_id).cloned();
        match &slot {
            Some(slot) => slot.pause(),
            None => _ = running.pauses.insert(task_id),
        }
        slot
    }

    /// Takes back a pause of a task that is not listed.
    pub(crate) fn forget_pause(&self, task_id: TaskId) {
        self.lock().pauses.remove(&task_id);
    }

    /// Whether an attempt runs that is not overnight.
    pub(crate) fn has_others(&self) -> bool {
        self.lock().slots.values().any(|slot| !slot.is_overnight())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().slots.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().slots.len()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Slot>> {
        self.lock().slots.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut running = self.slots.lock();
        // A later attempt at the same task may have replaced it.
        if running.slots.get(&self.slot.task_id).is_some_and(|listed| Arc::ptr_eq(listed, &self.slot)) {
            running.slots.remove(&self.slot.task_id);
            running.ended.push_front((self.slot.task_id, self.slot.progress()));
            running.ended.truncate(MOST_ENDED);
        }
        drop(running);
        // After the removal: a waiting task must not find the attempt still listed.
        self.slot.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_closed_attempt_writes_and_publishes_nothing() {
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
        assert_eq!(slots.progress(TaskId(1)).map(|it| (it.attempt, it.step)), Some((2, 1)), "its row may be read late");
        drop(slots.begin(TaskId(1), 3, "key".into()));
        assert_eq!(slots.progress(TaskId(1)).map(|it| it.attempt), Some(3));
    }

    #[test]
    fn an_attempt_of_this_server_is_known_better_than_its_events_and_a_later_one_counts_more() {
        let here = Progress { attempt: 2, step: 0, eta_ms: Some(9), waiting_for: Some("the disk is full") };
        let started = Progress { attempt: 2, ..Progress::default() };
        assert_eq!(Progress::newest(Some(started), Some(here)), Some(here));
        let elsewhere = Progress { attempt: 3, ..Progress::default() };
        assert_eq!(Progress::newest(Some(elsewhere), Some(here)), Some(elsewhere));
        assert_eq!(Progress::newest(Some(started), None), Some(started));
    }

    #[test]
    fn an_attempt_that_may_be_another_servers_writes_and_publishes_nothing_until_it_is_renewed() {
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
    fn what_an_attempt_waits_for_is_published_with_its_step() {
        let slot = Slot::new(TaskId(1), 2, "key".into());
        let mut published = Vec::new();
        slot.advance(30, Some(9), |_| ());
        slot.wait_for(Some("the disk is full"), |progress| published.push(progress));
        slot.wait_for(None, |progress| published.push(progress));
        let at = |waiting_for| Progress { attempt: 2, step: 30, eta_ms: None, waiting_for };
        assert_eq!(published, [at(Some("the disk is full")), at(None)]);
    }

    #[test]
    fn a_pause_can_be_taken_back_until_the_sampler_has_stopped() {
        let slots = Slots::default();
        assert!(slots.pause(TaskId(1)).is_none(), "it is not listed yet");
        let first = slots.begin(TaskId(1), 1, "key".into());
        assert!(first.slot.unpause() && !first.slot.takes_pause());
        slots.pause(TaskId(1)).expect("listed");
        assert!(first.slot.takes_pause() && !first.slot.unpause());
        slots.pause(TaskId(2));
        slots.forget_pause(TaskId(2));
        assert!(!slots.begin(TaskId(2), 1, "other".into()).slot.takes_pause());
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
