//! WebSocket messages: `{"type": ..., "seq": n, "data": {...}}`.

use crate::{
    ExportFormat, Frame, FrameId, LibraryStatus, Model, Project, ProjectId, Queue, Settings, TakeId, TaskId,
    TaskSummary, Workers,
};
use ::generation::Track;
use serde::{Deserialize, Serialize};

/// A WebSocket text frame from the server. `hello` and `metrics` have no `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Strictly increasing within one epoch. There are gaps because of the project filter and, for a slow reader,
    /// because progress was dropped or a whole state was replaced by a newer one of the same resource. On PostgreSQL, where
    /// several servers number the same events, numbers are also left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// An event. Each contains the whole new state of its resource, so receiving it twice does no harm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The first message on a connection.
    Hello(Hello),
    /// State of the machine, every two seconds.
    Metrics(Metrics),
    /// The events requested with `since` are no longer available: reload everything.
    Resync(Resync),
    /// A project was created, changed, deleted or restored.
    ProjectUpdated(ProjectUpdated),
    /// A frame was added to a timeline, with its first preview. Frames at its position and after it move one position
    /// on, without an event for each.
    FrameCreated(FrameEvent),
    /// A frame's position, duration, note or picture has changed.
    FrameUpdated(FrameEvent),
    /// A frame was deleted. It can be restored for a while if it had a finished take. Frames after it move up, without
    /// an event.
    FrameDeleted(FrameEvent),
    /// Tasks were added, removed or reordered, or the queue was paused or resumed.
    QueueUpdated(Queue),
    /// Files of the library were added, changed or removed, or its scan started or ended. Several changes share an event.
    LibraryUpdated(LibraryStatus),
    /// A server or worker began or ended, says something else of itself, or began or ended a task. Only with several on one
    /// database.
    WorkersUpdated(Workers),
    /// Styles were created, changed, deleted, restored or imported: read the list again.
    StylesUpdated(StylesUpdated),
    /// A worker started a task. Sent once per attempt, before its first step.
    GenerationStarted(GenerationStarted),
    /// A step is done. Its preview, if it has one, is available at `preview_path`.
    GenerationProgress(GenerationProgress),
    /// The picture is available at `final_path`, the same address as its previews.
    GenerationCompleted(GenerationCompleted),
    /// The task failed; its preview is gone.
    GenerationFailed(GenerationFailed),
    /// A user cancelled the task; its preview is gone.
    GenerationCancelled(GenerationCancelled),
    /// The task's worker is gone, or it is overnight and other tasks go first. It is queued again; its next start is a new
    /// attempt.
    GenerationInterrupted(GenerationInterrupted),
    /// A user paused the task. It keeps its preview and its steps until it is resumed, kept or cancelled.
    GenerationPaused(GenerationPaused),
    /// A user resumed the task: it is queued at its old place, and its next attempt goes on after the steps that are done.
    GenerationResumed(GenerationResumed),
    /// A user changed the task while its picture formed.
    GenerationSteered(GenerationSteered),
}

impl Event {
    /// The project that the event belongs to; `None` if it concerns everyone.
    pub fn project_id(&self) -> Option<ProjectId> {
        match self {
            Self::Hello(_)
            | Self::Resync(_)
            | Self::Metrics(_)
            | Self::QueueUpdated(_)
            | Self::LibraryUpdated(_)
            | Self::WorkersUpdated(_)
            | Self::StylesUpdated(_) => None,
            Self::ProjectUpdated(data) => Some(data.project.id),
            Self::FrameCreated(data) | Self::FrameUpdated(data) | Self::FrameDeleted(data) => {
                Some(data.frame.project_id)
            }
            Self::GenerationStarted(data) => Some(data.of.project_id),
            Self::GenerationProgress(data) => Some(data.of.project_id),
            Self::GenerationCompleted(data) => Some(data.of.project_id),
            Self::GenerationFailed(data) => Some(data.of.project_id),
            Self::GenerationCancelled(data) => Some(data.of.project_id),
            Self::GenerationInterrupted(data) => Some(data.of.project_id),
            Self::GenerationPaused(data) => Some(data.of.project_id),
            Self::GenerationResumed(data) => Some(data.of.project_id),
            Self::GenerationSteered(data) => Some(data.of.project_id),
        }
    }
}

/// The name of the picture generator in events.
pub const GENERATOR: &str = "sdxl";

/// Everything on a project's page at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Studio {
    /// Identifies this run of the server.
    pub epoch: String,
    /// Read before the rest: every later event must be applied, even if the data already contains some of them.
    pub seq: u64,
    /// The project.
    pub project: Project,
    /// Its frames in order.
    pub frames: Vec<Frame>,
    /// Its queued and running tasks.
    pub tasks: Vec<TaskSummary>,
    /// The whole queue, of all projects.
    pub queue: Queue,
    /// The available models, the default first.
    pub models: Vec<Model>,
    /// The server's settings.
    pub settings: Settings,
    /// The export formats that the server supports.
    pub export_formats: Vec<ExportFormat>,
}

/// The styles have changed. They are not in the event: an import can have thousands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StylesUpdated {
    /// Number of styles.
    pub styles: u64,
}

/// Why a client must reload everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// The newest `seq`; events after it follow.
    pub seq: u64,
    /// For users: the history is no longer available, or the server was restarted.
    pub reason: String,
}

/// A frame's new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameEvent {
    /// The frame's id, named as in the generation's events.
    pub frame_id: FrameId,
    /// The frame's current state, or its last one if it was deleted.
    #[serde(flatten)]
    pub frame: Frame,
}

impl From<Frame> for FrameEvent {
    fn from(frame: Frame) -> Self {
        Self { frame_id: frame.id, frame }
    }
}

/// The generation that an event belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationIds {
    /// The task.
    pub task_id: TaskId,
    /// The frame that the picture is for.
    pub frame_id: FrameId,
    /// That frame's project.
    pub project_id: ProjectId,
    /// The take that the task makes.
    pub take_id: TakeId,
    /// Number of the attempt: how often the task was started. Previews are ordered by attempt, then step.
    pub attempt: u32,
}

fn is_zero(steps: &u32) -> bool {
    *steps == 0
}

/// A worker started a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationStarted {
    /// The generation.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// URL path of its previews and of its picture.
    pub preview_path: String,
    /// Steps that are done already: of a task that goes on after a pause or an end of the server. Absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub step: u32,
    /// Number of sampling steps.
    pub total_steps: u32,
    /// [`GENERATOR`].
    pub generator: String,
}

/// A step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationProgress {
    /// The generation.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Steps done, from 1.
    pub step: u32,
    /// Number of sampling steps.
    pub total_steps: u32,
    /// URL path of its previews.
    pub preview_path: String,
    /// Estimated time until the picture is finished in milliseconds, including decoding.
    pub eta_ms: Option<u64>,
    /// What the task waits for before it continues by itself, such as `the disk is full`. The event repeats the last
    /// step when waiting starts or ends; `step` is 0 if it waits before the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
}

/// The picture is finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationCompleted {
    /// The generation.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// URL path of the picture; the same as its `preview_path`.
    pub final_path: String,
    /// The step at which it was finished; less than the total if it was stopped and kept.
    pub step: u32,
    /// Number of sampling steps.
    pub total_steps: u32,
    /// [`GENERATOR`].
    pub generator: String,
    /// Strong hash of the picture.
    pub etag: String,
    /// The frame's current state.
    pub frame: Option<Frame>,
}

/// The task failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationFailed {
    /// The generation.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// The reason, for users.
    pub error: String,
    /// Whether its frame was removed too.
    pub frame_removed: bool,
    /// The frame's current state; null if it was removed.
    pub frame: Option<Frame>,
}

/// The task was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationCancelled {
    /// The generation.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Whether its frame was removed too.
    pub frame_removed: bool,
    /// The frame's current state; null if it was removed.
    pub frame: Option<Frame>,
}

/// The task is queued again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationInterrupted {
    /// The generation; the attempt is the one that was interrupted.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Why, for users.
    pub reason: String,
    /// Steps that are done and saved, from which its next attempt goes on.
    #[serde(default)]
    pub step: u32,
    /// The frame's current state; null if it is deleted.
    pub frame: Option<Frame>,
}

/// The task is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationPaused {
    /// The generation; the attempt is the one that was paused, 0 for a task that was never started.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Steps done, from which it goes on.
    pub step: u32,
    /// Number of sampling steps.
    pub total_steps: u32,
    /// URL path of its preview.
    pub preview_path: String,
    /// The frame's current state; null if it is deleted.
    pub frame: Option<Frame>,
}

/// The task is queued again after a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationResumed {
    /// The generation; the attempt is the last one before the pause.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Steps done, from which it goes on.
    pub step: u32,
    /// Number of sampling steps.
    pub total_steps: u32,
    /// URL path of its preview.
    pub preview_path: String,
    /// The frame's current state; null if it is deleted.
    pub frame: Option<Frame>,
}

/// The task was changed while its picture formed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerationSteered {
    /// The generation.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Steps that were done when the change took effect.
    pub step: u32,
    /// Number of sampling steps, which the change may have reduced.
    pub total_steps: u32,
    /// All changes of the task so far.
    pub track: Track,
}

/// A project's new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUpdated {
    /// The project's current state.
    #[serde(flatten)]
    pub project: Project,
    /// Whether it is deleted. It can be restored for a while.
    pub deleted: bool,
}

/// State of the server when a client connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The server's version.
    pub version: String,
    /// Identifies this run of the server, or on PostgreSQL the log of events; a `seq` has no meaning in another epoch.
    pub epoch: String,
    /// The newest `seq`.
    pub seq: u64,
    /// All queued, running and paused tasks.
    pub tasks: Vec<TaskSummary>,
}

/// State of the machine, for users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Use of all processors together, from 0 to 100.
    pub cpu_percent: f32,
    /// Memory in use on the machine, in bytes.
    pub memory_used_bytes: u64,
    /// Memory of the machine, in bytes.
    pub memory_total_bytes: u64,
    /// Resident memory of the server process, in bytes.
    pub process_memory_bytes: u64,
    /// Time since the server started, in seconds.
    pub uptime_s: u64,
    /// Name of the device that computes.
    pub device: String,
    /// Number of queued tasks.
    pub queued_tasks: u64,
    /// Number of running tasks.
    pub running_tasks: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_type_seq_data() {
        let hello = Hello { version: "0.1.0".into(), epoch: "e".into(), seq: 7, tasks: vec![] };
        let message = Message { seq: None, event: Event::Hello(hello) };
        let wire = serde_json::to_value(&message).expect("serializes");
        assert_eq!(
            wire,
            serde_json::json!({
                "type": "hello",
                "data": {"version": "0.1.0", "epoch": "e", "seq": 7, "tasks": []}
            })
        );
        assert_eq!(serde_json::from_value::<Message>(wire).expect("reads back"), message);
    }
}
