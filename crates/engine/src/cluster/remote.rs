//! Steps of tasks that other servers run.

use crate::slot::Progress;
use protocol::{Event, GenerationIds, GenerationProgress, TaskId};
use std::{
    cmp::Ordering,
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Ended tasks are forgotten when there are more.
const MOST: usize = 4096;

/// What is known of a task.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    attempt: u32,
    step: u32,
    eta_ms: Option<u64>,
    has_ended: bool,
}

/// The newest step of each task.
#[derive(Debug, Default)]
pub(crate) struct Remote(Mutex<HashMap<TaskId, Known>>);

impl Remote {
    /// Notes the start or the end of an attempt.
    pub(crate) fn note(&self, event: &Event) {
        let (of, has_ended) = match event {
            Event::GenerationStarted(it) => (&it.of, false),
            Event::GenerationCompleted(it) => (&it.of, true),
            Event::GenerationFailed(it) => (&it.of, true),
            Event::GenerationCancelled(it) => (&it.of, true),
            Event::GenerationInterrupted(it) => (&it.of, true),
            _ => return,
        };
        let mut known = self.lock();
        if known.len() > MOST {
            known.retain(|_, task| !task.has_ended);
        }
        let newest = known.entry(of.task_id).or_default();
        match newest.attempt.cmp(&of.attempt) {
            Ordering::Less => *newest = Known { attempt: of.attempt, has_ended, ..Known::default() },
            // A step may be heard of before the start is read.
            Ordering::Equal => newest.has_ended |= has_ended,
            Ordering::Greater => {}
        }
    }

    /// Notes a step. Returns whether it is news: a message may come after the end of its attempt.
    pub(crate) fn advance(&self, GenerationProgress { of, step, eta_ms, .. }: &GenerationProgress) -> bool {
        let GenerationIds { task_id, attempt, .. } = *of;
        let mut known = self.lock();
        let newest = known.entry(task_id).or_default();
        let is_known_attempt = newest.attempt == attempt;
        if newest.attempt > attempt || (is_known_attempt && (newest.has_ended || newest.step > *step)) {
            return false;
        }
        *newest = Known { attempt, step: *step, eta_ms: *eta_ms, has_ended: false };
        true
    }

    /// The newest step of the newest attempt at a task, also if it has ended.
    pub(crate) fn progress(&self, task: TaskId) -> Option<Progress> {
        let Known { attempt, step, eta_ms, .. } = self.lock().get(&task).copied()?;
        Some(Progress { attempt, step, eta_ms, waiting_for: None })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{FrameId, GenerationCancelled, GenerationStarted, ProjectId, TakeId};

    fn of(attempt: u32) -> GenerationIds {
        let (task_id, frame_id, project_id, take_id) = (TaskId(1), FrameId(1), ProjectId(1), TakeId(1));
        GenerationIds { task_id, frame_id, project_id, take_id, attempt }
    }

    fn progress(attempt: u32, step: u32) -> GenerationProgress {
        let preview_path = String::new();
        GenerationProgress { of: of(attempt), step, total_steps: 9, preview_path, eta_ms: Some(5), waiting_for: None }
    }

    fn started(attempt: u32) -> Event {
        let (preview_path, generator) = Default::default();
        Event::GenerationStarted(GenerationStarted {
            of: of(attempt),
            preview_path,
            step: 0,
            total_steps: 9,
            generator,
        })
    }

    #[test]
    fn steps_only_go_on_and_an_ended_attempt_keeps_its_last() {
        let remote = Remote::default();
        remote.note(&started(1));
        let accepted = |attempt, step| remote.advance(&progress(attempt, step));
        assert_eq!([accepted(1, 1), accepted(1, 3), accepted(1, 2), accepted(1, 3)], [true, true, false, true]);
        assert_eq!(remote.progress(TaskId(1)).map(|it| (it.attempt, it.step, it.eta_ms)), Some((1, 3, Some(5))));
        let cancelled = GenerationCancelled { of: of(1), frame_removed: false, frame: None };
        remote.note(&Event::GenerationCancelled(cancelled));
        assert!(!accepted(1, 4), "a message that came late");
        assert_eq!(remote.progress(TaskId(1)).map(|it| (it.attempt, it.step)), Some((1, 3)), "a row may be read late");
        remote.note(&started(2));
        assert_eq!([accepted(1, 9), accepted(2, 1)], [false, true]);
        remote.note(&started(1));
        assert_eq!(remote.progress(TaskId(1)).map(|it| (it.attempt, it.step)), Some((2, 1)), "the log is read again");
    }
}
