//! Exports: a project's sequence as a single file.

use crate::{ExportId, Problem, ProjectId, TakeId, TaskStatus};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Length of a formation's animation, seconds.
pub const FORMATION_SECONDS: RangeInclusive<f64> = 0.5..=60.0;

/// The rule of a field, for users; `None` for unknown fields.
pub fn expected(field: &str) -> Option<String> {
    Some(match field {
        "format" => format!("must be one of {}", ExportFormat::ALL.map(ExportFormat::as_str).join(", ")),
        "formation.take_id" => "must be the id of a finished take of this project".to_owned(),
        "formation.seconds" => {
            format!("must be a number from {} to {}", FORMATION_SECONDS.start(), FORMATION_SECONDS.end())
        }
        "formation.easing" => format!("must be one of {}", Easing::ALL.map(Easing::as_str).join(", ")),
        _ => return None,
    })
}

/// A file format of exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// The pictures as PNG, with the parameters that they were made from.
    Zip,
    /// An animation with at most 256 colours per picture.
    Gif,
    /// A lossless animation.
    Apng,
    /// A lossless animation, smaller.
    Webp,
    /// A video; requires ffmpeg on the server.
    Mp4,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Zip, Self::Gif, Self::Apng, Self::Webp, Self::Mp4];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Gif => "gif",
            Self::Apng => "apng",
            Self::Webp => "webp",
            Self::Mp4 => "mp4",
        }
    }

    /// The file name's extension. Programs without APNG support read an APNG as a PNG.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Apng => "png",
            other => other.as_str(),
        }
    }

    /// The MIME type of the file.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Zip => "application/zip",
            Self::Gif => "image/gif",
            Self::Apng => "image/apng",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
        }
    }
}

/// How fast an animation goes through the steps of a take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Easing {
    /// Each step for the same time.
    #[default]
    Linear,
    /// Slow at the first steps.
    EaseIn,
    /// Slow at the last steps.
    EaseOut,
    /// Slow at both ends.
    EaseInOut,
}

impl Easing {
    /// Every easing.
    pub const ALL: [Self; 4] = [Self::Linear, Self::EaseIn, Self::EaseOut, Self::EaseInOut];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::EaseIn => "ease_in",
            Self::EaseOut => "ease_out",
            Self::EaseInOut => "ease_in_out",
        }
    }
}

/// How a take formed, as an animation: the pictures of its steps, then the finished picture for a fifth of the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Formation {
    /// The take. It must be finished and have a trace.
    pub take_id: TakeId,
    /// Length of the animation in seconds. Steps are left out where it is too short for all.
    #[serde(default = "default_seconds")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *FORMATION_SECONDS.start(), max = *FORMATION_SECONDS.end())))]
    pub seconds: f64,
    /// How fast it goes through the steps.
    #[serde(default)]
    pub easing: Easing,
}

fn default_seconds() -> f64 {
    3.0
}

/// Requests an export.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewExport {
    /// The file format.
    pub format: ExportFormat,
    /// How one take formed, in place of the project's sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formation: Option<Formation>,
}

impl NewExport {
    /// Returns the validated request, or an error for the field that is out of range.
    pub fn validated(self) -> Result<Self, Problem> {
        match self.formation.map(|formation| formation.seconds) {
            Some(seconds) if !FORMATION_SECONDS.contains(&seconds) => {
                let field = "formation.seconds";
                Err(Problem::invalid(field, format!("{}, not {seconds}", expected(field).unwrap_or_default())))
            }
            _ => Ok(self),
        }
    }
}

/// An export. It exists from its request until its file is removed: by a user, by newer exports, or at the next start
/// of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// The project that is exported.
    pub project_id: ProjectId,
    /// The take, if the export is how one take formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take_id: Option<TakeId>,
    /// The file format.
    pub format: ExportFormat,
    /// Its status.
    pub status: TaskStatus,
    /// Number of pictures written.
    pub done: u32,
    /// Total number of pictures.
    pub total: u32,
    /// Number of frames left out because they have no finished picture.
    pub skipped: u32,
    /// URL path of the file, once it is finished.
    pub path: Option<String>,
    /// The file's size in bytes.
    pub bytes: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Time of the request (RFC 3339, UTC).
    pub created_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formation_takes_three_seconds_and_its_length_has_limits() {
        let read = |json: &str| serde_json::from_str::<NewExport>(json).expect("valid").validated();
        let formation = read(r#"{"format": "gif", "formation": {"take_id": 7}}"#).expect("valid").formation;
        assert_eq!(formation, Some(Formation { take_id: TakeId(7), seconds: 3.0, easing: Easing::Linear }));
        assert_eq!(read(r#"{"format": "zip"}"#).expect("valid").formation, None);
        for seconds in ["0.4", "60.1", "-1"] {
            let json = format!(r#"{{"format": "gif", "formation": {{"take_id": 7, "seconds": {seconds}}}}}"#);
            let problem = read(&json).expect_err("out of range");
            let error = &problem.field_errors()[0];
            assert_eq!(
                (error.field.as_str(), error.message.as_str()),
                ("formation.seconds", format!("must be a number from 0.5 to 60, not {seconds}").as_str())
            );
        }
    }

    #[test]
    fn easings_are_written_by_their_names() {
        for easing in Easing::ALL {
            assert_eq!(serde_json::to_value(easing).expect("written"), easing.as_str());
        }
    }
}
