//! Reports this server's steps and previews: first to the database, where all servers find them, then to this server's clients.

use super::Cluster;
use crate::{Announce, slot::Slot};
use protocol::{Event, GenerationProgress, TaskId};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::NewPreview;
use tokio::sync::Notify;

/// How long the end of an attempt waits for its reports. They take that long only while the database is away.
const END: Duration = Duration::from_secs(3);

/// How often the space of replaced previews is freed.
const VACUUM_EVERY: Duration = Duration::from_secs(5);

/// Steps and previews that are not sent yet. The sampler never waits: a preview replaces the one before it.
#[derive(Default)]
pub(crate) struct Reports {
    state: Mutex<State>,
    added: Notify,
    sent: Notify,
    /// Whether previews were stored since their space was last freed.
    has_stored: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: HashMap<TaskId, Waiting>,
    /// Tasks whose reports are being sent.
    in_flight: HashSet<TaskId>,
}

/// What an attempt has not reported yet.
struct Waiting {
    slot: Arc<Slot>,
    /// In their order. Only the newest goes to other servers; this server's clients get all.
    events: Vec<GenerationProgress>,
    /// The newest.
    preview: Option<NewPreview>,
}

impl State {
    /// What this attempt has not reported; none if a later one has begun.
    fn of(&mut self, slot: &Arc<Slot>) -> Option<&mut Waiting> {
        let new = || Waiting { slot: Arc::clone(slot), events: Vec::new(), preview: None };
        let waiting = self.waiting.entry(slot.task_id).or_insert_with(new);
        if waiting.slot.attempt < slot.attempt {
            *waiting = new();
        }
        Some(waiting).filter(|waiting| waiting.slot.attempt == slot.attempt)
    }

    /// Whether nothing of the task waits to be sent. A preview alone does not: it goes with the next step.
    fn is_settled(&self, task: TaskId) -> bool {
        let waits = self.waiting.get(&task).is_some_and(|waiting| !waiting.events.is_empty());
        !waits && !self.in_flight.contains(&task)
    }
}

impl Reports {
    /// Adds a step, or what a task waits for.
    pub(crate) fn add(&self, slot: &Arc<Slot>, event: GenerationProgress) {
        if let Some(waiting) = self.lock().of(slot) {
            waiting.events.push(event);
        }
        self.added.notify_one();
    }

    /// Adds the preview of the step that is added next.
    pub(crate) fn add_preview(&self, slot: &Arc<Slot>, preview: NewPreview) {
        if let Some(waiting) = self.lock().of(slot) {
            waiting.preview = Some(preview);
        }
    }

    /// Waits until all steps of the attempt are sent.
    pub(crate) async fn end(&self, slot: &Slot) {
        let settled = async {
            loop {
                let mut sent = std::pin::pin!(self.sent.notified());
                sent.as_mut().enable();
                if self.lock().is_settled(slot.task_id) {
                    return;
                }
                sent.await;
            }
        };
        // The error is the timeout.
        tokio::time::timeout(END, settled).await.ok();
        self.lock().waiting.remove(&slot.task_id);
    }

    /// What is to be sent now.
    fn take(&self) -> Vec<Waiting> {
        let mut state = self.lock();
        let due = state.waiting.extract_if(|_, waiting| !waiting.events.is_empty());
        let due: Vec<Waiting> = due.map(|(_, waiting)| waiting).collect();
        state.in_flight.extend(due.iter().map(|waiting| waiting.slot.task_id));
        due
    }

    /// Notes that a report was sent, or that it could not be. A preview that is not stored goes with the next step, unless that
    /// has its own.
    fn settle(&self, slot: &Arc<Slot>, unsent: Option<NewPreview>) {
        let mut state = self.lock();
        state.in_flight.remove(&slot.task_id);
        if let (Some(unsent), Some(waiting)) = (unsent, state.of(slot)) {
            waiting.preview.get_or_insert(unsent);
        }
        drop(state);
        self.sent.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends reports until the task is aborted.
pub(crate) async fn send_reports(cluster: Arc<Cluster>, announce: Arc<dyn Announce>) {
    let reports = &cluster.reports;
    loop {
        reports.added.notified().await;
        for Waiting { slot, events, preview } in reports.take() {
            let Some(newest) = events.last() else { continue };
            let reported = cluster.store.report_step(newest.clone(), preview.as_ref()).await;
            // Nobody hears of an attempt that another server has taken up, or that is over. While the database is away, this
            // server's clients see the steps, as long as the run is surely its own.
            if let Ok(None) = reported {
                cluster.counts.fenced_step();
                cluster.give_up(&slot).await;
            } else {
                events.into_iter().for_each(|event| publish(&slot, event, &*announce));
            }
            if let Ok(Some(wishes)) = reported {
                cluster.heed(&slot, wishes);
            }
            if reported.is_ok() && preview.is_some() {
                reports.has_stored.store(true, Ordering::Relaxed);
            }
            reports.settle(&slot, preview.filter(|_| reported.is_err()));
        }
    }
}

fn publish(slot: &Slot, event: GenerationProgress, announce: &dyn Announce) {
    let (step, eta_ms) = (event.step, event.eta_ms);
    let is_step = event.waiting_for.is_none();
    let announce = || announce.announce(Event::GenerationProgress(event));
    if is_step {
        slot.advance(step, eta_ms, |_| announce());
    } else {
        slot.if_open(announce);
    }
}

/// Frees the space of replaced previews until the task is aborted.
pub(crate) async fn vacuum(cluster: Arc<Cluster>) {
    loop {
        tokio::time::sleep(VACUUM_EVERY).await;
        // A failure is repeated after the next preview.
        if cluster.reports.has_stored.swap(false, Ordering::Relaxed) {
            cluster.store.vacuum_previews(VACUUM_EVERY * 4 / 5).await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{FrameId, GenerationIds, ProjectId, TakeId};

    fn slot(attempt: u32) -> Arc<Slot> {
        Arc::new(Slot::new(TaskId(1), attempt, "key".into()))
    }

    fn step(slot: &Slot, step: u32) -> GenerationProgress {
        let (task_id, frame_id, project_id, take_id) = (slot.task_id, FrameId(1), ProjectId(1), TakeId(1));
        let of = GenerationIds { task_id, frame_id, project_id, take_id, attempt: slot.attempt };
        let preview_path = String::new();
        GenerationProgress { of, step, total_steps: 9, preview_path, eta_ms: None, waiting_for: None }
    }

    fn preview(step: u32) -> NewPreview {
        NewPreview { step, etag: step.to_string(), png: vec![] }
    }

    /// The steps and the preview that would be sent.
    fn taken(reports: &Reports) -> Vec<(u32, Vec<u32>, Option<u32>)> {
        let of = |waiting: Waiting| {
            let steps = waiting.events.iter().map(|event| event.step).collect();
            (waiting.slot.attempt, steps, waiting.preview.map(|preview| preview.step))
        };
        reports.take().into_iter().map(of).collect()
    }

    #[test]
    fn all_steps_are_sent_with_the_newest_preview_only() {
        let (reports, slot) = (Reports::default(), slot(1));
        reports.add_preview(&slot, preview(1));
        assert_eq!(taken(&reports), [], "its step follows");
        reports.add(&slot, step(&slot, 1));
        reports.add_preview(&slot, preview(2));
        [2, 3].iter().for_each(|n| reports.add(&slot, step(&slot, *n)));
        assert_eq!(taken(&reports), [(1, vec![1, 2, 3], Some(2))]);
        assert_eq!(taken(&reports), []);
    }

    #[test]
    fn a_preview_that_is_not_stored_goes_with_the_next_step_unless_there_is_a_newer_one() {
        let (reports, slot) = (Reports::default(), slot(1));
        reports.settle(&slot, Some(preview(1)));
        reports.add(&slot, step(&slot, 2));
        assert_eq!(taken(&reports), [(1, vec![2], Some(1))]);
        reports.add_preview(&slot, preview(3));
        reports.settle(&slot, Some(preview(1)));
        reports.add(&slot, step(&slot, 3));
        assert_eq!(taken(&reports), [(1, vec![3], Some(3))]);
    }

    #[test]
    fn an_earlier_attempt_reports_nothing_over_a_later_one() {
        let (reports, old, new) = (Reports::default(), slot(1), slot(2));
        reports.add(&old, step(&old, 8));
        reports.add_preview(&new, preview(1));
        reports.add(&new, step(&new, 1));
        reports.add_preview(&old, preview(9));
        reports.add(&old, step(&old, 9));
        reports.settle(&old, Some(preview(9)));
        assert_eq!(taken(&reports), [(2, vec![1], Some(1))]);
    }

    #[tokio::test]
    async fn the_end_waits_for_what_is_being_sent() {
        let (reports, slot) = (Arc::new(Reports::default()), slot(1));
        reports.add(&slot, step(&slot, 1));
        assert_eq!(reports.take().len(), 1);
        let end = {
            let (reports, slot) = (Arc::clone(&reports), Arc::clone(&slot));
            tokio::spawn(async move { reports.end(&slot).await })
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!end.is_finished());
        reports.settle(&slot, None);
        end.await.expect("no panic");
    }
}
