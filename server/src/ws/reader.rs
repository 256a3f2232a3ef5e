//! What waits for one connection.

use axum::extract::ws::Utf8Bytes;
use protocol::{Event, ProjectId, TaskId};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// From this many waiting entries on, a reader counts as slow: older progress gives way to newer.
const BEHIND: usize = 32;

/// More than a reader that is alive can ever be behind: state events come by the hundred a minute.
const MOST: usize = 16 * 1024;

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
}

impl Delivery {
    /// By what the event is. The last step's progress is never left out.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::GenerationProgress(it) if it.step < it.total_steps => Self::Progress(it.of.task_id),
            Event::Metrics(_) => Self::Metrics,
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
    overrun: bool,
}

/// A reader fell so far behind that entries which may not be left out were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

impl Reader {
    pub(super) fn new(project: Option<ProjectId>) -> Self {
        Self { project, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Adds an entry; answers how many gave way.
    pub(super) fn push(&self, entry: &Arc<Entry>) -> u64 {
        if self.project.is_some() && entry.project.is_some() && self.project != entry.project {
            return 0;
        }
        let mut waiting = self.lock();
        // What was left out must be the last that is missing: the client comes back for all that follows it.
        if waiting.overrun {
            return 0;
        }
        let before = waiting.entries.len();
        if entry.delivery != Delivery::Always && before >= BEHIND {
            waiting.entries.retain(|older| older.delivery != entry.delivery);
        }
        let gave_way = before - waiting.entries.len();
        if waiting.entries.len() >= MOST {
            waiting.overrun = true;
        } else {
            waiting.entries.push_back(Arc::clone(entry));
        }
        drop(waiting);
        self.arrived.notify_one();
        gave_way as u64
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
        self.lock().entries.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
