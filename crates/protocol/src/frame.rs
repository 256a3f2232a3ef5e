//! Frames (positions on a timeline) and takes (the pictures made for them).

use crate::{FieldError, FrameId, Parameters, Problem, ProjectId, TakeId, TaskId, TaskStatus};
use serde::{Deserialize, Serialize};

/// Limits of a frame's fields.
pub mod limits {
    use std::ops::RangeInclusive;

    /// A frame's duration, in frames of the project's rate.
    pub const DURATION: RangeInclusive<u32> = 1..=10_000;
    /// Maximum characters of a note.
    pub const NOTE_CHARS: usize = 2000;
}

/// The kind of picture that a frame shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FrameStatus {
    /// A finished picture.
    Ready,
    /// The first preview of a queued task.
    Queued,
    /// The preview of a running task.
    Running,
    /// The last preview of a paused task.
    Paused,
}

impl FrameStatus {
    /// Whether its picture is not finished.
    pub fn is_generating(self) -> bool {
        self != Self::Ready
    }
}

/// A position on a project's timeline. It shows the picture of its newest running take, otherwise of its newest paused
/// take, otherwise of its selected take, otherwise of its queued take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Frame {
    /// Its id.
    pub id: FrameId,
    /// Its project.
    pub project_id: ProjectId,
    /// Position on the timeline, from 0.
    pub position: u32,
    /// Duration, in frames of the project's rate.
    pub duration: u32,
    /// URL path of the picture that it shows.
    pub path: String,
    /// Width of the finished picture in pixels.
    pub width: u32,
    /// Height of the finished picture in pixels.
    pub height: u32,
    /// The kind of picture that it shows.
    pub status: FrameStatus,
    /// The take that it shows.
    pub take_id: TakeId,
    /// The task of that take.
    pub task_id: TaskId,
    /// The take that was selected or finished last; null while there is no finished take.
    pub selected_take_id: Option<TakeId>,
    /// Strong hash of the picture, if it is finished.
    pub etag: Option<String>,
    /// A user's note.
    pub note: String,
    /// Time of creation (RFC 3339, UTC).
    pub created_at: String,
}

/// A change to a frame. Absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FramePatch {
    /// New position; frames after it move up. A value past the end means the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// New duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::DURATION.start(), max = *limits::DURATION.end())))]
    pub duration: Option<u32>,
    /// The take to show; must be a finished take of this frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub take_id: Option<TakeId>,
    /// New note.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::NOTE_CHARS)))]
    pub note: Option<String>,
}

impl FramePatch {
    /// Returns the validated change, or an error for every field that is out of range.
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

/// The rule of a frame's field, for users; `None` for unknown fields.
pub fn expected(field: &str) -> Option<String> {
    Some(match field {
        "position" => "must be a whole number, 0 for the first place".to_owned(),
        "duration" => {
            format!("must be a whole number from {} to {}", limits::DURATION.start(), limits::DURATION.end())
        }
        "take_id" => "must be the id of a finished take of this frame".to_owned(),
        "trace_pinned" => "must be true or false".to_owned(),
        "note" => format!("must be a text of at most {} characters without NUL", limits::NOTE_CHARS),
        _ => return None,
    })
}

/// A picture made for a frame by a task, possibly not finished yet.
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
    /// URL path of the picture; it never changes.
    pub path: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Status of its task.
    pub status: TaskStatus,
    /// Whether the frame shows it while no other take is running.
    pub selected: bool,
    /// The parameters it is made from.
    pub parameters: Parameters,
    /// Seed of the noise.
    pub seed: u64,
    /// Strong hash of the finished picture.
    pub etag: Option<String>,
    /// The sampling step at which it was finished.
    pub finished_step: Option<u32>,
    /// Time of creation (RFC 3339, UTC).
    pub created_at: String,
    /// Time of completion (RFC 3339, UTC).
    pub finished_at: Option<String>,
    /// Whether its trace stays when the space for traces is used up.
    pub trace_pinned: bool,
}

/// The body of `PATCH /takes/{id}`. Absent fields stay unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TakePatch {
    /// Whether its trace stays when the space for traces is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_pinned: Option<bool>,
}

/// URL path of the picture with this key.
pub fn media_path(key: &str) -> String {
    crate::url_path(&format!("/media/{key}.png"))
}

/// Lengths of a thumbnail's longer side, pixels.
pub const THUMBNAIL_SIDES_PX: [u32; 3] = [160, 320, 640];

/// URL of a picture's thumbnail whose longer side is `side_px`, one of [`THUMBNAIL_SIDES_PX`]. `picture` is the picture's URL;
/// its query stays, so that a URL with a version remains one.
pub fn thumbnail_url(picture: &str, side_px: u32) -> String {
    let (path, query) = picture.split_at(picture.find('?').unwrap_or(picture.len()));
    format!("{}/{side_px}.jpg{query}", path.strip_suffix(".png").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_has_its_pictures_version() {
        let picture = format!("{}?v=ab12", media_path("k1"));
        assert_eq!(thumbnail_url(&picture, 320), "/media/k1/320.jpg?v=ab12");
        assert_eq!(thumbnail_url(&media_path("k1"), 160), "/media/k1/160.jpg");
    }

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
