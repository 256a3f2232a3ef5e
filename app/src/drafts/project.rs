//! The project form's draft: presets, and text parsed into numbers.

use crate::error::AppError;
use protocol::{FieldError, NewProject, Problem, ProjectPatch, project::limits};
use std::ops::RangeInclusive;

/// A picture size that is offered.
pub struct Preset {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Name of the shape.
    pub shape: &'static str,
}

const fn preset(width: u32, height: u32, shape: &'static str) -> Preset {
    Preset { width, height, shape }
}

/// The nine common training sizes of SDXL (SDXL paper, appendix I), then two small ones for small models and quick
/// trials.
pub const PRESETS: [Preset; 11] = [
    preset(1024, 1024, "Square"),
    preset(1152, 896, "Wide 9:7"),
    preset(1216, 832, "Wide 3:2"),
    preset(1344, 768, "Wide 7:4"),
    preset(1536, 640, "Panorama 12:5"),
    preset(896, 1152, "Tall 7:9"),
    preset(832, 1216, "Tall 2:3"),
    preset(768, 1344, "Tall 4:7"),
    preset(640, 1536, "Tall 5:12"),
    preset(512, 512, "Small"),
    preset(128, 128, "Tiny"),
];

/// The value of the size field when width and height are typed.
pub const CUSTOM: &str = "custom";

/// Default frame rate of a new project, frames per second.
pub const DEFAULT_FPS: u32 = 12;

impl Preset {
    /// The value that the form posts: `1216x832`.
    pub fn value(&self) -> String {
        format!("{}x{}", self.width, self.height)
    }
}

/// A project's form as typed. Text, because a number field can contain anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectDraft {
    /// The name.
    pub name: String,
    /// A preset's value, or [`CUSTOM`].
    pub size: String,
    /// Pixels, for a custom size.
    pub width: String,
    /// Pixels, for a custom size.
    pub height: String,
    /// Frames per second.
    pub fps: String,
}

impl ProjectDraft {
    /// Parses and validates the form. Fails with all errors at once.
    pub fn read(&self) -> Result<NewProject, Problem> {
        let mut errors = Vec::new();
        let (width, height) = match self.size.split_once('x').map(|(w, h)| (w.parse().ok(), h.parse().ok())) {
            Some((Some(width), Some(height))) => (Some(width), Some(height)),
            _ if self.size == CUSTOM => (
                number("width", &self.width, limits::SIDE_PX, &mut errors),
                number("height", &self.height, limits::SIDE_PX, &mut errors),
            ),
            _ => {
                errors.push(FieldError::new("size", "must be one of the sizes offered, or custom"));
                (None, None)
            }
        };
        let fps = number("fps", &self.fps, limits::FPS, &mut errors);
        // A missing number has its error already. The rest goes through the one validation.
        match (ProjectPatch { name: Some(self.name.clone()), width, height, fps }.validated(), &errors[..]) {
            (Ok(ProjectPatch { name: Some(name), width: Some(width), height: Some(height), fps: Some(fps) }), []) => {
                Ok(NewProject { name, width, height, fps })
            }
            (Err(Problem::Invalid(mut all)), _) => {
                all.extend(errors);
                Err(Problem::Invalid(all))
            }
            (Err(problem), _) => Err(problem),
            (Ok(_), _) => Err(Problem::Invalid(errors)),
        }
    }

    /// The error together with the typed text.
    pub fn refused(&self, problem: Problem) -> AppError {
        let kept = [
            ("name", &self.name),
            ("size", &self.size),
            ("width", &self.width),
            ("height", &self.height),
            ("fps", &self.fps),
        ];
        AppError {
            problem,
            kept: kept.into_iter().map(|(field, text)| (field.to_owned(), clipped(text, KEPT_CHARS))).collect(),
        }
    }
}

/// The error of a rename together with the project and the typed name.
pub fn rename_refused(id: protocol::ProjectId, name: &str, problem: Problem) -> AppError {
    let kept = vec![("id".to_owned(), id.to_string()), ("name".to_owned(), clipped(name, KEPT_CHARS))];
    AppError { problem, kept }
}

/// The typed text is sent back in the page's address. Servers and proxies reject addresses above 8 kB, and a character can
/// take 12 bytes there (4 in UTF-8, times 4/3 for base64, with quotes and escapes).
const KEPT_CHARS: usize = 240;

fn clipped(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

fn number(field: &str, text: &str, bounds: RangeInclusive<u32>, errors: &mut Vec<FieldError>) -> Option<u32> {
    let text = text.trim();
    let read = text.parse();
    if read.is_err() {
        let (least, most) = (bounds.start(), bounds.end());
        errors.push(FieldError::new(
            field,
            match text {
                "" => "must not be empty".to_owned(),
                _ => format!("must be a whole number from {least} to {most}, not {}", clipped(text, 20)),
            },
        ));
    }
    read.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(name: &str, size: &str, width: &str, height: &str, fps: &str) -> ProjectDraft {
        ProjectDraft {
            name: name.into(),
            size: size.into(),
            width: width.into(),
            height: height.into(),
            fps: fps.into(),
        }
    }

    fn messages(draft: ProjectDraft) -> Vec<(String, String)> {
        let problem = draft.read().expect_err("should have been refused");
        problem.field_errors().iter().map(|e| (e.field.clone(), e.message.clone())).collect()
    }

    #[test]
    fn every_preset_makes_a_project_of_its_size() {
        for preset in PRESETS {
            let project = draft(" Storm ", &preset.value(), "", "", "12").read().expect("a preset is valid");
            assert_eq!((project.width, project.height), (preset.width, preset.height));
            assert_eq!(project.name, "Storm");
        }
    }

    #[test]
    fn a_custom_size_is_read_from_its_fields() {
        let project = draft("a", CUSTOM, " 640 ", "360", "24").read().expect("valid");
        assert_eq!((project.width, project.height, project.fps), (640, 360, 24));
    }

    #[test]
    fn the_form_says_what_the_api_says() {
        let form = draft("", CUSTOM, "0", "100000", "0").read().expect_err("all bad");
        let api = NewProject { name: String::new(), width: 0, height: 100_000, fps: 0 };
        assert_eq!(form, api.validated().expect_err("all bad"));
        assert_eq!(
            messages(draft("a", CUSTOM, "7", "64", "1")),
            [("width".to_owned(), "must be a multiple of 8 from 64 to 2048, not 7".to_owned())]
        );
    }

    #[test]
    fn invalid_numbers_are_reported_with_their_limits_beside_the_other_errors() {
        let errors = messages(draft("", CUSTOM, "wide", "-8", ""));
        let fields: Vec<&str> = errors.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["name", "width", "height", "fps"]);
        assert_eq!(errors[1].1, "must be a whole number from 64 to 2048, not wide");
        assert_eq!(errors[2].1, "must be a whole number from 64 to 2048, not -8");
        assert_eq!(errors[3].1, "must not be empty");
        for size in ["", "1024", "x", "1024x", "1e3x8", "99999999999x8"] {
            assert_eq!(messages(draft("a", size, "", "", "1"))[0].0, "size", "{size:?}");
        }
    }

    #[test]
    fn a_rejected_form_keeps_the_typed_text_within_bounds() {
        let error = draft(&"龍".repeat(5000), CUSTOM, "7", "8", "x").refused(Problem::Internal);
        assert_eq!(error.kept("name").map(|name| name.chars().count()), Some(KEPT_CHARS));
        assert_eq!(error.kept("fps"), Some("x"));
        assert_eq!(rename_refused(protocol::ProjectId(7), "", Problem::Internal).kept("id"), Some("7"));
    }
}
