//! The state of a project's studio, and how each event changes it. Pure: the same events in the same order give the same
//! state, and applying an event twice changes nothing.

mod edits;
#[cfg(test)]
pub mod examples;
mod generation;
#[cfg(test)]
mod tests;

use protocol::{
    Event, ExportFormat, Frame, FrameId, Hello, Message, Model, Project, Queue, Settings, Studio, TakeId, TaskId,
    TaskStatus, TaskSummary,
};
use std::collections::{BTreeMap, BTreeSet};
use timeline::Edit;

/// Notice of a failed or cancelled generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The task.
    pub task_id: TaskId,
    /// Its frame.
    pub frame_id: FrameId,
    /// The take that it made.
    pub take_id: TakeId,
    /// Seed of the noise.
    pub seed: u64,
    /// The start of its prompt.
    pub prompt: String,
    /// The error; none if it was cancelled.
    pub error: Option<String>,
}

/// What the caller must do after applying a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing more.
    Continue,
    /// Read the whole state again: events were missed.
    Reload,
}

/// The project as of the newest applied event.
#[derive(Clone, Debug, PartialEq)]
pub struct StudioState {
    /// The server start that `seq` belongs to.
    pub epoch: String,
    /// The newest applied event.
    pub seq: u64,
    /// The project.
    pub project: Project,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Its frames in order.
    pub frames: Vec<Frame>,
    /// Its queued and running tasks.
    pub tasks: Vec<TaskSummary>,
    /// The whole queue, of all projects.
    pub queue: Queue,
    /// The models that can be chosen, the default first.
    pub models: Vec<Model>,
    /// The server's settings.
    pub settings: Settings,
    /// The formats that a sequence can be exported to.
    pub export_formats: Vec<ExportFormat>,
    /// Grows whenever files of the library change.
    pub library_revision: u64,
    /// The models of the servers and workers that make pictures, as of the last event; none before it.
    pub offered: Option<BTreeSet<String>>,
    /// Failed and cancelled generations since the page was loaded, newest last, until they are dismissed or retried.
    pub ended: Vec<Ended>,
    /// Grows whenever a frame is created, changed or deleted, or its takes are, or the state is read again.
    pub frame_changes: u64,
    /// The value of `frame_changes` at the last change of each frame.
    changed_at: BTreeMap<FrameId, u64>,
    /// The value of `frame_changes` when the state was read last.
    read_at: u64,
    /// The newest announcement for screen readers.
    pub spoken: String,
    /// The newest `seq` at a hello, which lists all open tasks: others had ended by then.
    listed_seq: u64,
    /// Messages that are buffered during a reload.
    held: Option<Vec<Message>>,
    /// Edits that the server has not confirmed, oldest first.
    pending_edits: Vec<Edit>,
}

/// Most notices that are kept.
const MAX_ENDED: usize = 5;

impl From<Studio> for StudioState {
    fn from(studio: Studio) -> Self {
        let Studio { epoch, seq, project, frames, tasks, queue, models, settings, export_formats } = studio;
        let mut state = Self {
            epoch,
            seq,
            project,
            deleted: false,
            frames,
            tasks,
            queue,
            models,
            settings,
            export_formats,
            library_revision: 0,
            offered: None,
            ended: Vec::new(),
            frame_changes: 0,
            changed_at: BTreeMap::new(),
            read_at: 0,
            spoken: String::new(),
            listed_seq: 0,
            held: None,
            pending_edits: Vec::new(),
        };
        state.sort();
        state
    }
}

impl StudioState {
    /// Applies one message.
    pub fn apply(&mut self, message: Message) -> Next {
        if let Event::Hello(hello) = message.event {
            return self.hello(hello);
        }
        if let Some(held) = &mut self.held {
            held.push(message);
            return Next::Continue;
        }
        if let Some(seq) = message.seq {
            if seq <= self.seq {
                return Next::Continue;
            }
            self.seq = seq;
        }
        let next = self.apply_event(message.seq, message.event);
        self.show_edits();
        next
    }

    fn apply_event(&mut self, seq: Option<u64>, event: Event) -> Next {
        match event {
            Event::Resync(_) => {
                self.hold();
                return Next::Reload;
            }
            Event::ProjectUpdated(data) if data.project.id == self.project.id => {
                (self.project, self.deleted) = (data.project, data.deleted);
            }
            Event::FrameCreated(data) | Event::FrameUpdated(data) => {
                self.note_change(data.frame.id);
                self.put(data.frame);
            }
            Event::FrameDeleted(data) => {
                self.note_change(data.frame_id);
                self.changed_at.remove(&data.frame_id);
                self.remove(data.frame_id);
            }
            Event::QueueUpdated(queue) => self.requeue(queue),
            Event::GenerationStarted(data) => {
                let has_ended = seq.is_some_and(|seq| seq <= self.listed_seq);
                self.started(data, has_ended);
            }
            Event::GenerationProgress(data) => self.progressed(data),
            Event::GenerationCompleted(data) => self.completed(data),
            Event::GenerationFailed(data) => {
                self.ended(&data.of, data.frame_removed, data.frame, Some(data.error));
            }
            Event::GenerationCancelled(data) => self.ended(&data.of, data.frame_removed, data.frame, None),
            Event::GenerationInterrupted(data) => self.interrupted(data),
            Event::GenerationSteered(data) => self.steered(data),
            Event::GenerationPaused(data) => self.paused(&data.of, data.step, data.frame, true),
            Event::GenerationResumed(data) => self.paused(&data.of, data.step, data.frame, false),
            Event::LibraryUpdated(data) => self.library_revision = data.files_revision,
            Event::WorkersUpdated(data) => {
                let makers = data.workers.into_iter().filter(|worker| worker.concurrency > 0);
                self.offered = Some(makers.flat_map(|worker| worker.models).map(|model| model.name).collect());
            }
            Event::Hello(_) | Event::Metrics(_) | Event::ProjectUpdated(_) | Event::StylesUpdated(_) => {}
        }
        Next::Continue
    }

    /// Handles the first message of a connection. Another epoch means that the server was restarted: earlier events do not
    /// count.
    fn hello(&mut self, hello: Hello) -> Next {
        if hello.epoch != self.epoch {
            // A restarted server counts from the start: buffered events would seem newer than they are.
            (self.epoch, self.held) = (hello.epoch, Some(Vec::new()));
            return Next::Reload;
        }
        // The reload that should have ended it failed when the connection was lost.
        if self.is_reloading() {
            return Next::Reload;
        }
        let project = self.project.id;
        let listed = hello.tasks.into_iter().filter(|task| task.project_id == project);
        self.tasks = listed.map(|task| newest(self.task(task.task_id), task)).collect();
        self.listed_seq = self.listed_seq.max(hello.seq);
        Next::Continue
    }

    /// Buffers events until [`Self::replace`] brings the state on which they build.
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Whether events are buffered.
    pub fn is_reloading(&self) -> bool {
        self.held.is_some()
    }

    /// Replaces the state by a reloaded one and applies the buffered events.
    ///
    /// Of two concurrent reloads the first to arrive counts: the second may be older than the events since. A state of another
    /// epoch than the newest hello is ignored; that hello, or the next one, has started another reload.
    pub fn replace(&mut self, studio: Studio) -> Next {
        if studio.epoch != self.epoch {
            return Next::Continue;
        }
        let Some(held) = self.held.take() else { return Next::Continue };
        let (ended, pending_edits) = (std::mem::take(&mut self.ended), std::mem::take(&mut self.pending_edits));
        let read_at = self.frame_changes + 1;
        *self = Self { ended, pending_edits, read_at, frame_changes: read_at, ..studio.into() };
        self.show_edits();
        let mut next = Next::Continue;
        for message in held {
            if self.apply(message) == Next::Reload {
                next = Next::Reload;
            }
        }
        next
    }

    /// The frame with this id.
    pub fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.frames.iter().find(|frame| frame.id == id)
    }

    /// The open task with this id.
    pub fn task(&self, id: TaskId) -> Option<&TaskSummary> {
        self.tasks.iter().find(|task| task.task_id == id)
    }

    /// The open task whose picture the frame shows.
    pub fn task_of(&self, frame: &Frame) -> Option<&TaskSummary> {
        if frame.status.is_generating() { self.task(frame.task_id) } else { None }
    }

    /// The frame to show while none is selected: the newest one being generated, else the one shown before, else the last.
    pub fn default_frame(&self, before: Option<FrameId>) -> Option<&Frame> {
        let made = |status| self.tasks.iter().filter(move |task| task.status == status);
        let task = made(TaskStatus::Running).max_by_key(|task| task.take_id);
        let task = task.or_else(|| made(TaskStatus::Queued).next()).or_else(|| made(TaskStatus::Paused).next());
        let made = task.and_then(|task| self.frame(task.frame_id));
        made.or_else(|| self.frame(before?)).or(self.frames.last())
    }

    /// Moves a frame to another place. The server's events confirm it later.
    pub fn move_frame(&mut self, id: FrameId, to: usize) {
        let Some(from) = self.frames.iter().position(|frame| frame.id == id) else { return };
        let frame = self.frames.remove(from);
        self.frames.insert(to.min(self.frames.len()), frame);
        for (position, frame) in (0..).zip(&mut self.frames) {
            frame.position = position;
        }
    }

    /// Removes a notice.
    pub fn dismiss(&mut self, id: TaskId) {
        self.ended.retain(|ended| ended.task_id != id);
    }

    fn note_change(&mut self, id: FrameId) {
        self.frame_changes += 1;
        self.changed_at.insert(id, self.frame_changes);
    }

    /// Changes whenever a frame or its takes do.
    pub fn changes_of(&self, id: FrameId) -> u64 {
        self.changed_at.get(&id).copied().unwrap_or(self.read_at)
    }

    fn put(&mut self, frame: Frame) {
        if frame.project_id != self.project.id {
            return;
        }
        match self.frames.iter_mut().find(|known| known.id == frame.id) {
            Some(known) => *known = frame,
            None => {
                // No event reports the frames that are shifted.
                let behind = self.frames.iter_mut().filter(|known| known.position >= frame.position);
                behind.for_each(|known| known.position += 1);
                self.frames.push(frame);
            }
        }
        self.sort();
    }

    /// Removes a frame. The later ones move up, for which there is no event.
    pub fn remove(&mut self, id: FrameId) {
        self.tasks.retain(|task| task.frame_id != id);
        if let Some(place) = self.frames.iter().position(|frame| frame.id == id) {
            let gone = self.frames.remove(place).position;
            let behind = self.frames.iter_mut().filter(|frame| frame.position > gone);
            behind.for_each(|frame| frame.position -= 1);
        }
    }

    fn sort(&mut self) {
        self.frames.sort_by_key(|frame| (frame.position, frame.id));
    }

    fn requeue(&mut self, queue: Queue) {
        let project = self.project.id;
        let listed = queue.tasks.iter().filter(|task| task.project_id == project);
        self.tasks = listed.map(|task| newest(self.task(task.task_id), task.clone())).collect();
        // A retried task has not ended.
        self.ended.retain(|ended| queue.tasks.iter().all(|task| task.task_id != ended.task_id));
        self.queue = queue;
    }
}

/// The newer of two states of a task, by attempt, then step.
fn newest(known: Option<&TaskSummary>, received: TaskSummary) -> TaskSummary {
    match known {
        // That it was resumed changes no step.
        Some(known) if (known.attempt, known.step) > (received.attempt, received.step) => {
            TaskSummary { pause_at: received.pause_at, ..known.clone() }
        }
        _ => received,
    }
}
