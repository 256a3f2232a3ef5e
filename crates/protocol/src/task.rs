//! Tasks: one generation each.

use crate::{FrameId, ProjectId, TakeId, TaskId};
use serde::{Deserialize, Serialize};

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A queued or running task, as `hello` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// URL path of its preview, later its picture.
    pub preview_path: String,
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
