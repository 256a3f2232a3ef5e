//! Frames and takes: places on a timeline, and the pictures made for them.

use crate::{FieldError, FrameId, Parameters, Problem, ProjectId, TakeId, TaskId, TaskStatus};
use serde::{Deserialize, Serialize};

/// The bounds of a frame's fields.
pub mod limits {
    use std::ops::RangeInclusive;

    /// How long a frame stands, in frames of the project's rate.
    pub const DURATION: RangeInclusive<u32> = 1..=10_000;
    /// Characters of a note.
    pub const NOTE_CHARS: usize = 2000;
}

/// What the picture that a frame shows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FrameStatus {
    /// A finished picture.
    Ready,
    /// The first preview of a task that waits.
    Queued,
    /// The preview of a task that runs.
    Running,
}

impl FrameStatus {
    /// Whether its picture will still change.
    pub fn is_generating(self) -> bool {
        self != Self::Ready
    }
}

/// A place on a project's timeline with the picture that it shows: its newest running take, else its
/// selected take, else its queued one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Frame {
    /// Its id.
    pub id: FrameId,
    /// Its project.
    pub project_id: ProjectId,
    /// 0 for the first on the timeline.
    pub position: u32,
    /// In frames of the project's rate.
    pub duration: u32,
    /// URL path of the picture that it shows.
    pub path: String,
    /// Pixels from left to right of the finished picture.
    pub width: u32,
    /// Pixels from top to bottom of the finished picture.
    pub height: u32,
    /// What that picture is.
    pub status: FrameStatus,
    /// The take that it shows.
    pub take_id: TakeId,
    /// The task that makes or made that take.
    pub task_id: TaskId,
    /// The take that was chosen or finished last; none while there is no finished one.
    pub selected_take_id: Option<TakeId>,
    /// Strong hash of the picture, when it is finished.
    pub etag: Option<String>,
    /// A person's note.
    pub note: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// A change to a frame: absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FramePatch {
    /// New place; those behind move up. Past the end is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// New duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::DURATION.start(), max = *limits::DURATION.end())))]
    pub duration: Option<u32>,
    /// The take to show; a finished one of this frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_id: Option<TakeId>,
    /// New note.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::NOTE_CHARS)))]
    pub note: Option<String>,
}

impl FramePatch {
    /// The change as it is, or every field that is out of bounds.
    pub fn validated(self) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        if let Some(duration) = self.duration.filter(|duration| !limits::DURATION.contains(duration)) {
            let rule = expected("duration").unwrap_or_default();
            errors.push(FieldError::new("duration", format!("{rule}, not {duration}")));
        }
        let count = self.note.as_deref().map_or(0, |note| note.chars().count());
        if count > limits::NOTE_CHARS || self.note.as_deref().is_some_and(|note| note.contains('\0')) {
            let rule = expected("note").unwrap_or_default();
            errors.push(FieldError::new("note", format!("{rule}, not {count}")));
        }
        if errors.is_empty() { Ok(self) } else { Err(Problem::Invalid(errors)) }
    }
}

/// What a frame's field takes.
pub fn expected(field: &str) -> Option<String> {
    Some(match field {
        "position" => "must be a whole number, 0 for the first place".to_owned(),
        "duration" => {
            format!("must be a whole number from {} to {}", limits::DURATION.start(), limits::DURATION.end())
        }
        "take_id" => "must be the id of a finished take of this frame".to_owned(),
        "note" => format!("must be a text of at most {} characters without NUL", limits::NOTE_CHARS),
        _ => return None,
    })
}

/// A picture that a task made, or makes, for a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Take {
    /// Its id.
    pub id: TakeId,
    /// Its frame.
    pub frame_id: FrameId,
    /// That frame's project.
    pub project_id: ProjectId,
    /// The task that makes it.
    pub task_id: TaskId,
    /// URL path; it never changes.
    pub path: String,
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Its task's.
    pub status: TaskStatus,
    /// Whether the frame shows it when none is running.
    pub selected: bool,
    /// What it is made from.
    pub parameters: Parameters,
    /// Seed of its noise.
    pub seed: u64,
    /// Strong hash of the finished picture.
    pub etag: Option<String>,
    /// The sampling step that it was finished at.
    pub finished_step: Option<u32>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC.
    pub finished_at: Option<String>,
}

/// URL path of the picture with this key.
pub fn media_path(key: &str) -> String {
    crate::url_path(&format!("/media/{key}.png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_names_its_bad_fields() {
        let patch = FramePatch { duration: Some(0), note: Some("x".repeat(2001)), ..FramePatch::default() };
        let problem = patch.validated().expect_err("both are out of bounds");
        let fields: Vec<_> = problem.field_errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["duration", "note"]);
        FramePatch { duration: Some(10_000), position: Some(u32::MAX), ..FramePatch::default() }
            .validated()
            .expect("past the end is the end");
    }
}
