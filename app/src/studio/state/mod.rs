//! What the studio knows of its project, and how each event changes it. Pure: the same events in the same
//! order make the same state, and hearing one twice changes nothing.

mod edits;
#[cfg(test)]
pub mod examples;
mod generation;
#[cfg(test)]
mod tests;

use protocol::{
    Event, ExportFormat, Frame, FrameId, Hello, Message, Model, Project, Queue, Settings, Studio, TaskId, TaskStatus,
    TaskSummary,
};
use timeline::Edit;

/// What a person is told of a generation that ended without a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub task_id: TaskId,
    /// How its prompt begins.
    pub prompt: String,
    /// Why it failed; none where a person cancelled it.
    pub error: Option<String>,
}

/// What whoever feeds the state must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Listen,
    /// Read everything anew: events were missed.
    Reload,
}

/// The project as it is by the newest event heard.
#[derive(Clone, Debug, PartialEq)]
pub struct StudioState {
    /// Names the start of the server that `seq` belongs to.
    pub epoch: String,
    /// The newest event that is taken in.
    pub seq: u64,
    /// The project.
    pub project: Project,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Its frames in their order.
    pub frames: Vec<Frame>,
    /// Its queued and running tasks.
    pub tasks: Vec<TaskSummary>,
    /// The whole queue, of all projects.
    pub queue: Queue,
    /// The models that can be chosen, the default first.
    pub models: Vec<Model>,
    /// The server's settings.
    pub settings: Settings,
    /// The kinds of file that a sequence can be exported to.
    pub export_formats: Vec<ExportFormat>,
    /// Failed and cancelled generations of this visit, newest last, until they are dismissed or tried again.
    pub ended: Vec<Ended>,
    /// The newest sentence for those who listen rather than look.
    pub spoken: String,
    /// Up to here the tasks are known from a hello: one that it did not list has ended.
    listed_seq: u64,
    /// What was heard while everything is read anew.
    held: Option<Vec<Message>>,
    /// Edits that the server has not answered for, oldest first.
    pending_edits: Vec<Edit>,
}

/// Endings that are kept for a person to read.
const MOST_ENDED: usize = 5;

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
            ended: Vec::new(),
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
    /// Takes in one message.
    pub fn apply(&mut self, message: Message) -> Next {
        if let Event::Hello(hello) = message.event {
            return self.greet(hello);
        }
        if let Some(held) = &mut self.held {
            held.push(message);
            return Next::Listen;
        }
        if let Some(seq) = message.seq {
            if seq <= self.seq {
                return Next::Listen;
            }
            self.seq = seq;
        }
        let next = self.take_in(message.seq, message.event);
        self.show_edits();
        next
    }

    fn take_in(&mut self, seq: Option<u64>, event: Event) -> Next {
        match event {
            Event::Resync(_) => {
                self.hold();
                return Next::Reload;
            }
            Event::ProjectUpdated(data) if data.project.id == self.project.id => {
                (self.project, self.deleted) = (data.project, data.deleted);
            }
            Event::FrameCreated(data) | Event::FrameUpdated(data) => self.put(data.frame),
            Event::FrameDeleted(data) => self.remove(data.frame_id),
            Event::QueueUpdated(queue) => self.requeue(queue),
            Event::GenerationStarted(data) => {
                let known_to_have_ended = seq.is_some_and(|seq| seq <= self.listed_seq);
                self.started(data, known_to_have_ended);
            }
            Event::GenerationProgress(data) => self.progressed(data),
            Event::GenerationCompleted(data) => self.completed(data),
            Event::GenerationFailed(data) => {
                self.ended(&data.of, data.frame_removed, data.frame, Some(data.error));
            }
            Event::GenerationCancelled(data) => self.ended(&data.of, data.frame_removed, data.frame, None),
            Event::Hello(_) | Event::Metrics(_) | Event::ProjectUpdated(_) => {}
        }
        Next::Listen
    }

    /// A connection begins: another epoch means that nothing heard before counts.
    fn greet(&mut self, hello: Hello) -> Next {
        if hello.epoch != self.epoch {
            // Another start of the server counts anew: what an earlier one told would pass for later.
            (self.epoch, self.held) = (hello.epoch, Some(Vec::new()));
            return Next::Reload;
        }
        // The reading that was to end it has failed, for the connection was lost.
        if self.is_reloading() {
            return Next::Reload;
        }
        let project = self.project.id;
        let listed = hello.tasks.into_iter().filter(|task| task.project_id == project);
        self.tasks = listed.map(|task| newest(self.task(task.task_id), task)).collect();
        self.listed_seq = self.listed_seq.max(hello.seq);
        Next::Listen
    }

    /// From now on events are kept back, until [`Self::replace`] has what they build upon.
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Whether events are kept back.
    pub fn is_reloading(&self) -> bool {
        self.held.is_some()
    }

    /// Everything read anew, then what was heard meanwhile.
    ///
    /// Of two readings under way the first to arrive counts: the second may be older than what followed. One of another
    /// start of the server than the newest hello is not what the events build upon; after that hello, or with the next,
    /// there is another reading.
    pub fn replace(&mut self, studio: Studio) -> Next {
        if studio.epoch != self.epoch {
            return Next::Listen;
        }
        let Some(held) = self.held.take() else { return Next::Listen };
        let (ended, pending_edits) = (std::mem::take(&mut self.ended), std::mem::take(&mut self.pending_edits));
        *self = Self { ended, pending_edits, ..studio.into() };
        self.show_edits();
        let mut next = Next::Listen;
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

    /// What the viewer shows while nobody has chosen: the newest frame being made, else what it showed, else the
    /// last one.
    pub fn default_frame(&self, before: Option<FrameId>) -> Option<&Frame> {
        let made = |status| self.tasks.iter().filter(move |task| task.status == status);
        let task = made(TaskStatus::Running).max_by_key(|task| task.take_id);
        let task = task.or_else(|| made(TaskStatus::Queued).next());
        let made = task.and_then(|task| self.frame(task.frame_id));
        made.or_else(|| self.frame(before?)).or(self.frames.last())
    }

    /// Puts a frame at another place at once; the server's events say the same a moment later.
    pub fn move_frame(&mut self, id: FrameId, to: usize) {
        let Some(from) = self.frames.iter().position(|frame| frame.id == id) else { return };
        let frame = self.frames.remove(from);
        self.frames.insert(to.min(self.frames.len()), frame);
        for (position, frame) in (0..).zip(&mut self.frames) {
            frame.position = position;
        }
    }

    /// An ending is read, or its task is tried again.
    pub fn dismiss(&mut self, id: TaskId) {
        self.ended.retain(|ended| ended.task_id != id);
    }

    fn put(&mut self, frame: Frame) {
        if frame.project_id != self.project.id {
            return;
        }
        match self.frames.iter_mut().find(|known| known.id == frame.id) {
            Some(known) => *known = frame,
            None => {
                // Nobody tells of those that make room.
                let behind = self.frames.iter_mut().filter(|known| known.position >= frame.position);
                behind.for_each(|known| known.position += 1);
                self.frames.push(frame);
            }
        }
        self.sort();
    }

    /// Takes a frame away; those behind it move up, and nobody tells of it.
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
        // What is tried again has not ended.
        self.ended.retain(|ended| queue.tasks.iter().all(|task| task.task_id != ended.task_id));
        self.queue = queue;
    }
}

/// The further of two accounts of one task: by attempt, then step.
fn newest(known: Option<&TaskSummary>, heard: TaskSummary) -> TaskSummary {
    match known {
        Some(known) if (known.attempt, known.step) > (heard.attempt, heard.step) => known.clone(),
        _ => heard,
    }
}
