//! Tasks: one generation each.

use crate::{FieldError, FrameId, Parameters, ProjectId, TakeId, TaskId};
use serde::{Deserialize, Serialize};

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Accepted; waits for a worker.
    Queued,
    /// A worker samples it.
    Running,
    /// Its picture is final.
    Completed,
    /// It ended with an error; can be tried again.
    Failed,
    /// A person stopped it.
    Cancelled,
}

impl TaskStatus {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it waits or runs: it will still change by itself.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A queued or running task, as `hello` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TaskSummary {
    /// The task.
    pub task_id: TaskId,
    /// The frame that it makes a picture for.
    pub frame_id: FrameId,
    /// That frame's project.
    pub project_id: ProjectId,
    /// The picture that it makes.
    pub take_id: TakeId,
    /// Queued or running.
    pub status: TaskStatus,
    /// Counts the starts of this task; 0 before the first.
    pub attempt: u32,
    /// Sampling steps done in this attempt.
    pub step: u32,
    /// Sampling steps in all.
    pub total_steps: u32,
    /// Time to the picture, milliseconds; none while nothing is known.
    pub eta_ms: Option<u64>,
    /// What a running task waits for before it goes on by itself, such as `the disk is full`; none while it makes progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// URL path of its preview, later its picture.
    pub preview_path: String,
    /// How its prompt begins: [`PROMPT_START_CHARS`] characters at most.
    pub prompt: String,
}

/// Characters of a prompt that lists of tasks carry: events repeat the list at each change, and a prompt may
/// be 10,000 characters long.
pub const PROMPT_START_CHARS: usize = 120;

impl From<&Task> for TaskSummary {
    fn from(task: &Task) -> Self {
        Self {
            task_id: task.id,
            frame_id: task.frame_id,
            project_id: task.project_id,
            // A queued or running task has its take.
            take_id: task.take_id.unwrap_or(TakeId(0)),
            status: task.status,
            attempt: task.attempt,
            step: task.step,
            total_steps: task.total_steps,
            eta_ms: task.eta_ms,
            waiting_for: task.waiting_for.clone(),
            preview_path: task.preview_path.clone().unwrap_or_default(),
            prompt: task.parameters.prompt.chars().take(PROMPT_START_CHARS).collect(),
        }
    }
}

/// One generation with all that it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its frame's project.
    pub project_id: ProjectId,
    /// The frame that it makes a picture for.
    pub frame_id: FrameId,
    /// The picture that it makes; none once that is gone (cancelled, failed, deleted).
    pub take_id: Option<TakeId>,
    /// Where it stands.
    pub status: TaskStatus,
    /// Counts its starts; 0 before the first.
    pub attempt: u32,
    /// Sampling steps done in this attempt.
    pub step: u32,
    /// Sampling steps in all.
    pub total_steps: u32,
    /// Time to the picture, milliseconds; none while nothing is known.
    pub eta_ms: Option<u64>,
    /// What a running task waits for before it goes on by itself, such as `the disk is full`; none while it makes progress.
    pub waiting_for: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Everything that it was asked for but the seed.
    pub parameters: Parameters,
    /// What a person should know, by field: what in its prompts is read as words ([`crate::prompt::warnings`]), and that a
    /// running task may not fit into memory (`width`).
    #[serde(default)]
    pub warnings: Vec<FieldError>,
    /// Seed of its noise.
    pub seed: u64,
    /// URL path of its preview, later its picture; none once that is gone.
    pub preview_path: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC; of the newest start.
    pub started_at: Option<String>,
    /// RFC 3339, UTC.
    pub finished_at: Option<String>,
}

/// The queue: what runs, and what waits in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Queue {
    /// Whether waiting tasks stay waiting; running ones go on.
    pub paused: bool,
    /// Running tasks, then waiting ones in the order in which they will run.
    pub tasks: Vec<TaskSummary>,
}

/// The body of `PUT /queue/order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct QueueOrder {
    /// Waiting tasks in the order in which they are to run; those left out come after them, as they stood.
    pub task_ids: Vec<TaskId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_match_the_wire() {
        for status in TaskStatus::ALL {
            assert_eq!(TaskStatus::from_name(status.as_str()), Some(status));
            let wire = serde_json::to_string(&status).expect("serializes");
            assert_eq!(wire, format!("\"{}\"", status.as_str()));
        }
        assert_eq!(TaskStatus::from_name("Queued"), None);
    }
}
