//! Projects: a name, a picture size, a frame rate.

use crate::{FieldError, Problem, ProjectId};
use ::generation::Rule;
use serde::{Deserialize, Serialize};

/// Limits of a project's fields. The page's inputs use the same numbers.
pub mod limits {
    use std::ops::RangeInclusive;

    pub use ::generation::limits::{SIDE_PX, SIDE_STEP_PX};

    /// Characters (Unicode scalar values, not bytes) in a project's name.
    pub const NAME_CHARS: RangeInclusive<usize> = 1..=120;
    /// Frames per second.
    pub const FPS: RangeInclusive<u32> = 1..=60;
}

/// A project as shown by the page and the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// 1 to 120 characters, any script.
    pub name: String,
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// URL path of its newest picture; null if it has none.
    pub cover: Option<String>,
    /// Time of creation (RFC 3339, UTC).
    pub created_at: String,
    /// Time of the last change (RFC 3339, UTC).
    pub updated_at: String,
}

/// Number of projects that the page shows at a time; the others are on linked pages.
pub const SHOWN_PROJECTS: usize = 60;

impl Project {
    /// Its cursor in the list of all projects, which is ordered by the last change, newest first. The next page of the
    /// list starts after it.
    pub fn place(&self) -> String {
        format!("{}_{}", self.updated_at, self.id)
    }
}

/// The pattern of a name for JSON Schema: no control characters, and not only whitespace.
#[cfg(feature = "openapi")]
const NAME_PATTERN: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";

/// The data of a new project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// 1 to 120 characters after trimming.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = *limits::NAME_CHARS.end()), extend("pattern" = NAME_PATTERN)))]
    pub name: String,
    /// Picture width in pixels.
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::SIDE_PX.start(), max = *limits::SIDE_PX.end()), extend("multipleOf" = limits::SIDE_STEP_PX)))]
    pub width: u32,
    /// Picture height in pixels.
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::SIDE_PX.start(), max = *limits::SIDE_PX.end()), extend("multipleOf" = limits::SIDE_STEP_PX)))]
    pub height: u32,
    /// Frames per second.
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::FPS.start(), max = *limits::FPS.end())))]
    pub fps: u32,
}

/// A change to a project. Absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ProjectPatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = *limits::NAME_CHARS.end()), extend("pattern" = NAME_PATTERN)))]
    pub name: Option<String>,
    /// New picture width in pixels, for future pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::SIDE_PX.start(), max = *limits::SIDE_PX.end()), extend("multipleOf" = limits::SIDE_STEP_PX)))]
    pub width: Option<u32>,
    /// New picture height in pixels, for future pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::SIDE_PX.start(), max = *limits::SIDE_PX.end()), extend("multipleOf" = limits::SIDE_STEP_PX)))]
    pub height: Option<u32>,
    /// New frame rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::FPS.start(), max = *limits::FPS.end())))]
    pub fps: Option<u32>,
}

/// The rule of a project's field, for values that do not even have the field's type (a text as width, -1).
pub fn expected(field: &str) -> Option<String> {
    Some(match field {
        "name" => {
            format!("must be a text of {} to {} characters", limits::NAME_CHARS.start(), limits::NAME_CHARS.end())
        }
        "width" | "height" => Rule::side().expected(),
        "fps" => fps_rule(),
        _ => return None,
    })
}

fn fps_rule() -> String {
    format!("must be a whole number from {} to {}", limits::FPS.start(), limits::FPS.end())
}

impl NewProject {
    /// Returns the project as it will be stored (name trimmed), or an error for every field that is out of range.
    pub fn validated(self) -> Result<Self, Problem> {
        let Self { name, width, height, fps } = self;
        let ProjectPatch { name, .. } =
            ProjectPatch { name: Some(name), width: Some(width), height: Some(height), fps: Some(fps) }.validated()?;
        Ok(Self { name: name.unwrap_or_default(), width, height, fps })
    }
}

impl ProjectPatch {
    /// Returns the change as it will be stored (name trimmed), or an error for every field that is out of range.
    pub fn validated(mut self) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        if let Some(name) = &mut self.name {
            *name = name.trim().to_owned();
            errors.extend(name_error(name));
        }
        errors.extend(self.width.and_then(|px| side_error("width", px)));
        errors.extend(self.height.and_then(|px| side_error("height", px)));
        if let Some(fps) = self.fps.filter(|fps| !limits::FPS.contains(fps)) {
            errors.push(FieldError::new("fps", format!("{}, not {fps}", fps_rule())));
        }
        if errors.is_empty() { Ok(self) } else { Err(Problem::Invalid(errors)) }
    }
}

pub(crate) fn name_error(name: &str) -> Option<FieldError> {
    let count = name.chars().count();
    let (least, most) = (limits::NAME_CHARS.start(), limits::NAME_CHARS.end());
    let message = match count {
        0 => "must not be empty".to_owned(),
        _ if count > *most => format!("must be {least} to {most} characters long, not {count}"),
        // Control characters such as a line break or NUL in a name break lists, logs and file names.
        _ if name.chars().any(char::is_control) => "must not contain control characters".to_owned(),
        _ => return None,
    };
    Some(FieldError::new("name", message))
}

fn side_error(field: &'static str, px: u32) -> Option<FieldError> {
    Rule::side().error(field, (&px).into()).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str, width: u32, height: u32, fps: u32) -> Result<NewProject, Problem> {
        NewProject { name: name.to_owned(), width, height, fps }.validated()
    }

    fn bad_fields(result: Result<NewProject, Problem>) -> Vec<String> {
        let problem = result.expect_err("should have been refused");
        problem.field_errors().iter().map(|e| e.field.clone()).collect()
    }

    #[test]
    fn names_of_any_script_are_kept_as_they_are() {
        for name in ["a", "<script>alert(1)</script>", "\"O'Neill\" & co", "🔥🐉", "قصة مصورة", "龍の物語"]
        {
            assert_eq!(project(name, 1024, 1024, 12).expect("a good name").name, name);
        }
        assert_eq!(project(&"龍".repeat(120), 64, 2048, 60).expect("120 characters").name.chars().count(), 120);
    }

    #[test]
    fn the_name_is_trimmed_before_it_is_measured() {
        assert_eq!(project("  Storm \n", 512, 512, 1).expect("good").name, "Storm");
        assert_eq!(bad_fields(project(" \t ", 512, 512, 1)), ["name"]);
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        assert_eq!(bad_fields(project("", 0, 7, 0)), ["name", "width", "height", "fps"]);
        assert_eq!(bad_fields(project("x", 100_000, 1001, 61)), ["width", "height", "fps"]);
        assert_eq!(bad_fields(project(&"x".repeat(121), 64, 64, 1)), ["name"]);
        assert_eq!(bad_fields(project("two\nlines", 64, 64, 1)), ["name"]);
    }

    #[test]
    fn the_message_names_the_limit() {
        let problem = project("x", 1001, 64, 1).expect_err("not a multiple of 8");
        assert_eq!(problem.to_string(), "width: must be a multiple of 8 from 64 to 2048, not 1001");
    }

    #[test]
    fn an_absent_field_is_not_judged() {
        assert_eq!(ProjectPatch::default().validated(), Ok(ProjectPatch::default()));
        let patch = ProjectPatch { fps: Some(0), ..Default::default() };
        assert_eq!(patch.validated().expect_err("fps 0").field_errors()[0].field, "fps");
    }
}
