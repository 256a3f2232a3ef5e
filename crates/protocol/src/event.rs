//! WebSocket messages: `{"type": ..., "seq": n, "data": {...}}`.

use crate::{ExportFormat, Frame, FrameId, Model, Project, ProjectId, Queue, Settings, TakeId, TaskId, TaskSummary};
use serde::{Deserialize, Serialize};

/// One text frame from the server. `hello` and `metrics` carry no `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Strictly growing within one epoch; gaps come from the project filter, and for a slow reader from dropped progress and from
    /// whole states that a newer one of the same thing replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. Each carries the whole new state of its thing, so that hearing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// The first message on a connection.
    Hello(Hello),
    /// How the machine is doing; every two seconds.
    Metrics(Metrics),
    /// What was asked for with `since` is no longer there: read everything anew.
    Resync(Resync),
    /// A project was made, changed, deleted or restored.
    ProjectUpdated(ProjectUpdated),
    /// A frame stands on a timeline, with its first preview. Those at its place and behind stand one further on; not all
    /// of them are told of.
    FrameCreated(FrameEvent),
    /// A frame's place, duration, note or picture is another.
    FrameUpdated(FrameEvent),
    /// A frame is gone; it can be restored for a while if it had a finished take. Those behind it move up, without an
    /// event.
    FrameDeleted(FrameEvent),
    /// Tasks joined, left or changed places, or the queue was paused or resumed.
    QueueUpdated(Queue),
    /// A worker took a task; once for each attempt, before its first step.
    GenerationStarted(GenerationStarted),
    /// A step is done and its preview, if it has one, stands at `preview_path`.
    GenerationProgress(GenerationProgress),
    /// The picture stands at `final_path`, the address that its previews had.
    GenerationCompleted(GenerationCompleted),
    /// It ended with an error; its preview is gone.
    GenerationFailed(GenerationFailed),
    /// A person stopped it; its preview is gone.
    GenerationCancelled(GenerationCancelled),
}

impl Event {
    /// The project that it tells of; none where it concerns everyone.
    pub fn project_id(&self) -> Option<ProjectId> {
        match self {
            Self::Hello(_) | Self::Resync(_) | Self::Metrics(_) | Self::QueueUpdated(_) => None,
            Self::ProjectUpdated(data) => Some(data.project.id),
            Self::FrameCreated(data) | Self::FrameUpdated(data) | Self::FrameDeleted(data) => {
                Some(data.frame.project_id)
            }
            Self::GenerationStarted(data) => Some(data.of.project_id),
            Self::GenerationProgress(data) => Some(data.of.project_id),
            Self::GenerationCompleted(data) => Some(data.of.project_id),
            Self::GenerationFailed(data) => Some(data.of.project_id),
            Self::GenerationCancelled(data) => Some(data.of.project_id),
        }
    }
}

/// The name of what makes the pictures, as events carry it.
pub const GENERATOR: &str = "sdxl";

/// Everything that a project's page shows at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Studio {
    /// Names this start of the server.
    pub epoch: String,
    /// Read before the rest: every event after it is to be applied, some of them twice.
    pub seq: u64,
    /// The project.
    pub project: Project,
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
    /// The kinds of file that the server can make of a sequence.
    pub export_formats: Vec<ExportFormat>,
}

/// Why a client must read everything anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// The newest `seq`; events after it follow.
    pub seq: u64,
    /// For people: the history is gone, or the server was started anew.
    pub reason: String,
}

/// A frame's new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameEvent {
    /// Its id, as in the generation's events.
    pub frame_id: FrameId,
    /// The frame as it is now, or was when it went.
    #[serde(flatten)]
    pub frame: Frame,
}

impl From<Frame> for FrameEvent {
    fn from(frame: Frame) -> Self {
        Self { frame_id: frame.id, frame }
    }
}

/// Which generation an event tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationIds {
    /// The task.
    pub task_id: TaskId,
    /// The frame that it makes a picture for.
    pub frame_id: FrameId,
    /// That frame's project.
    pub project_id: ProjectId,
    /// The picture that it makes.
    pub take_id: TakeId,
    /// Counts the task's starts; previews are ordered by attempt, then step.
    pub attempt: u32,
}

/// A worker took a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationStarted {
    /// Which.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// URL path of its previews and of its picture.
    pub preview_path: String,
    /// Sampling steps in all.
    pub total_steps: u32,
    /// [`GENERATOR`].
    pub generator: String,
}

/// A step is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationProgress {
    /// Which.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Steps done, 1 for the first.
    pub step: u32,
    /// Sampling steps in all.
    pub total_steps: u32,
    /// URL path of its previews.
    pub preview_path: String,
    /// Time to the picture, milliseconds, decoding counted.
    pub eta_ms: Option<u64>,
    /// What the task waits for before it goes on by itself, such as `the disk is full`. The event repeats the last step
    /// when the task begins or ends to wait; `step` is 0 where it waits before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
}

/// The picture is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationCompleted {
    /// Which.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// URL path of the picture: the same as its `preview_path`.
    pub final_path: String,
    /// The step that it was finished at; fewer than all when it was stopped and kept.
    pub step: u32,
    /// Sampling steps in all.
    pub total_steps: u32,
    /// [`GENERATOR`].
    pub generator: String,
    /// Strong hash of the picture.
    pub etag: String,
    /// The frame as it is now.
    pub frame: Option<Frame>,
}

/// It failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationFailed {
    /// Which.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Why, for people.
    pub error: String,
    /// Whether its frame went with it.
    pub frame_removed: bool,
    /// The frame as it is now; none where it was removed.
    pub frame: Option<Frame>,
}

/// It was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationCancelled {
    /// Which.
    #[serde(flatten)]
    pub of: GenerationIds,
    /// Whether its frame went with it.
    pub frame_removed: bool,
    /// The frame as it is now; none where it was removed.
    pub frame: Option<Frame>,
}

/// A project's new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectUpdated {
    /// The project as it is now.
    #[serde(flatten)]
    pub project: Project,
    /// Whether it is deleted (it can be restored for a while).
    pub deleted: bool,
}

/// Where the server stands as a client connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The server's version.
    pub version: String,
    /// Names this start of the server; a `seq` has no meaning in another epoch.
    pub epoch: String,
    /// The newest `seq`.
    pub seq: u64,
    /// Every queued or running task.
    pub tasks: Vec<TaskSummary>,
}

/// The machine's state, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Use of all processors together, 0 to 100.
    pub cpu_percent: f32,
    /// Memory in use on the machine, bytes.
    pub memory_used_bytes: u64,
    /// Memory of the machine, bytes.
    pub memory_total_bytes: u64,
    /// Resident memory of the server's process, bytes.
    pub process_memory_bytes: u64,
    /// Time since the server started, seconds.
    pub uptime_s: u64,
    /// The device that computes, as people know it.
    pub device: String,
    /// Tasks that wait.
    pub queued_tasks: u64,
    /// Tasks that run.
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
