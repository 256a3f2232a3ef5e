//! What a committed change means for others: its events, in their order.
//!
//! Each result of a change says so itself, as a pure function ([`Outcome`]), next to the transaction that makes it. No
//! other crate publishes events about what is stored.

use crate::live::Live;
use protocol::{Event, Frame, FrameEvent, GenerationIds, TakeId, Task};

/// One consequence of a committed change.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "most changes are events, so a box would save nothing")]
pub enum Change {
    /// Something that clients hear of.
    Event {
        /// What they hear.
        event: Event,
        /// Key of a take that the change deleted. The file `<key>.png` is removed before clients hear of the event.
        deleted_take: Option<String>,
    },
    /// Tasks were added to the queue, removed or reordered, or it was paused or resumed. Carries no state: the queue of a
    /// thousand tasks takes 300 kB, so it is read once for several changes.
    Queue,
}

/// The result of a change.
pub(crate) trait Outcome {
    /// The consequences in the order in which clients hear of them. Empty if nothing was changed.
    fn changes(&self) -> Vec<Change>;
}

/// A committed change as a [`Subscriber`] gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Its number in the log that all servers on the database share. None on SQLite, which one server uses.
    pub seq: Option<u64>,
    /// The change.
    pub change: Change,
}

/// Receives committed changes.
pub trait Subscriber: Send + Sync {
    /// The entries come from a log that other servers read as well; those after `seq` follow, some of them from before this
    /// call. Called before the first entry, and again if numbers get another meaning (another epoch) or entries are missing:
    /// what was heard before may be incomplete. Never called on SQLite.
    fn log_opened(&self, epoch: &str, seq: u64);

    /// Changes of one or more transactions, each once, in the order of the commits and after them, also when the caller of a
    /// change is gone. On PostgreSQL those of all servers. The next transaction waits, so this must not block for long, and
    /// must not call the store.
    fn committed(&self, entries: Vec<LogEntry>);

    /// Messages of other servers, in their order. They are handed over after the changes that were committed before them, but
    /// may come after later ones. Lost while the database cannot be reached. Never called on SQLite.
    fn heard(&self, _messages: Vec<Live>) {}
}

impl From<Event> for Change {
    fn from(event: Event) -> Self {
        Self::Event { event, deleted_take: None }
    }
}

/// A change of a frame that stays on the timeline.
pub(crate) fn frame_updated(frame: &Frame) -> Change {
    Event::FrameUpdated(FrameEvent::from(frame.clone())).into()
}

/// A frame that is new on the timeline, or there again.
pub(crate) fn frame_created(frame: &Frame) -> Change {
    Event::FrameCreated(FrameEvent::from(frame.clone())).into()
}

/// A frame that is gone from the timeline.
pub(crate) fn frame_deleted(frame: &Frame) -> Change {
    Event::FrameDeleted(FrameEvent::from(frame.clone())).into()
}

/// What became of a frame after a change of its takes: it was removed with the last one, or shows something else.
pub(crate) fn frame_after(frame: Option<&Frame>, removed: Option<&Frame>) -> Option<Change> {
    removed.map(frame_deleted).or_else(|| frame.map(frame_updated))
}

/// The generation of a task and its take.
pub(crate) fn ids_of(task: &Task, take_id: TakeId) -> GenerationIds {
    GenerationIds {
        task_id: task.id,
        frame_id: task.frame_id,
        project_id: task.project_id,
        take_id,
        attempt: task.attempt,
    }
}
