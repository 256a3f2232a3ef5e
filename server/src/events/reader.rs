//! The queue of events for one connection.

use axum::extract::ws::Utf8Bytes;
use protocol::{Event, FrameId, ProjectId, TaskId};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// From this many queued entries on, a reader is slow: newer progress replaces older.
const BEHIND: usize = 32;

/// From this many queued bytes on, a newer state of a thing replaces the older. The generation queue's state can take 300 kB.
const BEHIND_BYTES: usize = 2 << 20;

/// Maximum number of queued entries. A live reader does not reach it: there are some hundred state events a minute.
const MOST: usize = 16 * 1024;
/// Maximum size of the queue, bytes: that of the history, so that all of it can be replayed.
const MOST_BYTES: usize = 32 << 20;

/// A serialized event.
#[derive(Debug)]
pub struct Entry {
    /// Its number. `None` for metrics.
    pub seq: Option<u64>,
    /// Its project. `None` for events that concern everyone.
    pub project: Option<ProjectId>,
    /// Whether it may be dropped for a slow reader.
    pub delivery: Delivery,
    /// The text of the WebSocket frame.
    pub text: Utf8Bytes,
}

/// Whether an entry may be dropped for a slow reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It must not be dropped.
    Always,
    /// Progress, replaced by newer progress of the same task.
    Progress(TaskId),
    /// Metrics, replaced by newer metrics.
    Metrics,
    /// The whole state of a thing, replaced by a newer state.
    State(Thing),
}

/// The thing whose whole state an event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thing {
    /// The queue.
    Queue,
    /// The library.
    Library,
    /// The servers and workers.
    Workers,
    /// The styles.
    Styles,
    /// A project.
    Project(ProjectId),
    /// An existing frame. Its creation and deletion are other events, which are never dropped.
    Frame(FrameId),
}

impl Delivery {
    /// The delivery of an event. The last step's progress is never dropped.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::GenerationProgress(it) if it.step < it.total_steps => Self::Progress(it.of.task_id),
            Event::Metrics(_) => Self::Metrics,
            Event::QueueUpdated(_) => Self::State(Thing::Queue),
            Event::LibraryUpdated(_) => Self::State(Thing::Library),
            Event::StylesUpdated(_) => Self::State(Thing::Styles),
            Event::WorkersUpdated(_) => Self::State(Thing::Workers),
            Event::ProjectUpdated(it) => Self::State(Thing::Project(it.project.id)),
            Event::FrameUpdated(it) => Self::State(Thing::Frame(it.frame.id)),
            _ => Self::Always,
        }
    }
}

/// The queue of one connection.
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
    /// Whether this entry replaces older ones of the same kind.
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

/// The queue is full of entries that must not be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

impl Reader {
    pub fn new(project: Option<ProjectId>) -> Self {
        Self { project, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Queues an entry. Returns the number of progress entries dropped for it.
    pub fn push(&self, entry: &Arc<Entry>) -> u64 {
        if self.project.is_some() && entry.project.is_some() && self.project != entry.project {
            return 0;
        }
        let mut waiting = self.lock();
        // After an overrun nothing more is queued, so that there is no gap: the client reconnects and asks for everything after
        // the last event that it received.
        if waiting.overrun {
            return 0;
        }
        // A newer state contains the older one, so nothing is missed. If the client reconnects in between, it still gets the
        // newer one, because its number is greater.
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

    /// Queues nothing more. What is queued is sent, then the connection is closed.
    pub fn end(&self) {
        self.lock().overrun = true;
        self.arrived.notify_one();
    }

    /// Waits for the next entry.
    ///
    /// # Errors
    /// [`Overrun`]: the connection must be closed. Its client reconnects and asks for what it missed.
    pub async fn next(&self) -> Result<Arc<Entry>, Overrun> {
        loop {
            if let Some(entry) = self.try_next() {
                return Ok(entry);
            }
            if self.lock().overrun {
                return Err(Overrun);
            }
            // A notification since `try_next` is kept, so this does not miss it.
            self.arrived.notified().await;
        }
    }

    pub fn try_next(&self) -> Option<Arc<Entry>> {
        let mut waiting = self.lock();
        let entry = waiting.entries.pop_front()?;
        waiting.bytes -= entry.text.len();
        Some(entry)
    }

    /// Queued bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
