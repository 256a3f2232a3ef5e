//! What was deleted and can be restored.

use crate::{FrameId, Project, TakeId, TaskId};
use serde::{Deserialize, Serialize};

/// What was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BinKind {
    /// A frame with its takes.
    Frame,
    /// One take of a frame.
    Take,
    /// A task that was cancelled. It is restored by a retry.
    Task,
}

/// A deleted frame or take, or a cancelled task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BinItem {
    /// What was deleted.
    pub kind: BinKind,
    /// The deleted frame, or that of the deleted take or the cancelled task.
    pub frame_id: FrameId,
    /// The deleted take, or the one that the deleted frame had selected; null for a cancelled task.
    pub take_id: Option<TakeId>,
    /// The cancelled task, or that of the take.
    pub task_id: TaskId,
    /// URL path of the picture; null for a cancelled task.
    pub path: Option<String>,
    /// Strong hash of the picture; null for a cancelled task.
    pub etag: Option<String>,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// The prompt of the picture; empty for an imported one.
    pub prompt: String,
    /// Time of the deletion or cancellation (RFC 3339, UTC).
    pub deleted_at: String,
    /// Until when it can be restored (RFC 3339, UTC).
    pub kept_until: String,
}

/// The bin of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Bin {
    /// What was deleted, newest first: at most [`Bin::MOST`].
    pub items: Vec<BinItem>,
    /// How many there are in all.
    pub total: u64,
}

impl Bin {
    /// Maximum number of items in an answer.
    pub const MOST: usize = 500;
    /// How long what was deleted can be restored.
    pub const KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);
}

/// A deleted project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BinProject {
    /// The project as it was.
    pub project: Project,
    /// Time of the deletion (RFC 3339, UTC).
    pub deleted_at: String,
    /// Until when it can be restored (RFC 3339, UTC).
    pub kept_until: String,
}
