//! What waits for one connection.

use axum::extract::ws::Utf8Bytes;
use protocol::{Event, FrameId, ProjectId, TaskId};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// From this many waiting entries on, a reader counts as slow: older progress gives way to newer.
const BEHIND: usize = 32;

/// From this many waiting bytes on, an older whole state of a thing gives way to its newer one. The queue's can take 300 kB.
const BEHIND_BYTES: usize = 2 << 20;

/// More than a reader that is alive can ever be behind: state events come by the hundred a minute.
const MOST: usize = 16 * 1024;
/// The same, bytes. As much as is remembered, so that all of that can be told again.
const MOST_BYTES: usize = 32 << 20;

/// An event as it goes over the wire.
#[derive(Debug)]
pub struct Entry {
    /// None for what carries no number.
    pub seq: Option<u64>,
    /// Whose it is; none concerns everyone.
    pub project: Option<ProjectId>,
    /// Whether it may be left out.
    pub delivery: Delivery,
    /// The frame's text.
    pub text: Utf8Bytes,
}

/// Whether an entry may be left out for a slow reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Never.
    Always,
    /// A newer one of the same task replaces it.
    Progress(TaskId),
    /// A newer one replaces it.
    Metrics,
    /// The whole state of a thing: a newer one says all that this one says.
    State(Thing),
}

/// What an event carries the whole state of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thing {
    /// The queue.
    Queue,
    /// A project.
    Project(ProjectId),
    /// A frame that is there. Its creation and its end are events of their own, and are never left out.
    Frame(FrameId),
}

impl Delivery {
    /// By what the event is. The last step's progress is never left out.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::GenerationProgress(it) if it.step < it.total_steps => Self::Progress(it.of.task_id),
            Event::Metrics(_) => Self::Metrics,
            Event::QueueUpdated(_) => Self::State(Thing::Queue),
            Event::ProjectUpdated(it) => Self::State(Thing::Project(it.project.id)),
            Event::FrameUpdated(it) => Self::State(Thing::Frame(it.frame.id)),
            _ => Self::Always,
        }
    }
}

/// One connection's waiting entries.
#[derive(Debug)]
pub struct Reader {
    project: Option<ProjectId>,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    overrun: bool,
}

impl Waiting {
    /// Whether older entries that say no more than this one are left out for it.
    fn is_behind_for(&self, entry: &Entry) -> bool {
        match entry.delivery {
            Delivery::Always => false,
            Delivery::Progress(_) | Delivery::Metrics => self.entries.len() >= BEHIND,
            Delivery::State(_) => self.bytes + entry.text.len() > BEHIND_BYTES,
        }
    }

    fn leave_out(&mut self, delivery: Delivery) -> usize {
        let before = self.entries.len();
        self.entries.retain(|older| older.delivery != delivery);
        self.bytes = self.entries.iter().map(|entry| entry.text.len()).sum();
        before - self.entries.len()
    }

    fn is_full_for(&self, entry: &Entry) -> bool {
        let fits = self.entries.is_empty() || self.bytes + entry.text.len() <= MOST_BYTES;
        self.entries.len() >= MOST || !fits
    }
}

/// A reader fell so far behind that entries which may not be left out were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

impl Reader {
    pub(super) fn new(project: Option<ProjectId>) -> Self {
        Self { project, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Adds an entry; answers how much progress gave way.
    pub(super) fn push(&self, entry: &Arc<Entry>) -> u64 {
        if self.project.is_some() && entry.project.is_some() && self.project != entry.project {
            return 0;
        }
        let mut waiting = self.lock();
        // What was left out must be the last that is missing: the client comes back for all that follows it.
        if waiting.overrun {
            return 0;
        }
        // Of a whole state, what a client hears later says all that it did not hear: nothing is missed, and after a break in
        // between it is still to come, because its number is the greater.
        let gave_way = if waiting.is_behind_for(entry) { waiting.leave_out(entry.delivery) } else { 0 };
        if waiting.is_full_for(entry) {
            waiting.overrun = true;
        } else {
            waiting.bytes += entry.text.len();
            waiting.entries.push_back(Arc::clone(entry));
        }
        drop(waiting);
        self.arrived.notify_one();
        if matches!(entry.delivery, Delivery::State(_)) { 0 } else { gave_way as u64 }
    }

    /// The next entry, once there is one.
    ///
    /// # Errors
    /// [`Overrun`]: the connection is to be closed; its client comes back and asks for what it missed.
    pub async fn next(&self) -> Result<Arc<Entry>, Overrun> {
        loop {
            if let Some(entry) = self.try_next() {
                return Ok(entry);
            }
            if self.lock().overrun {
                return Err(Overrun);
            }
            // A notification between the look and this wait is kept.
            self.arrived.notified().await;
        }
    }

    pub(super) fn try_next(&self) -> Option<Arc<Entry>> {
        let mut waiting = self.lock();
        let entry = waiting.entries.pop_front()?;
        waiting.bytes -= entry.text.len();
        Some(entry)
    }

    /// Bytes that wait.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
