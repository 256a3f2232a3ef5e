//! Exports: a project's sequence as one file.

use crate::{ExportId, ProjectId, TaskStatus};
use serde::{Deserialize, Serialize};

/// The rule of a field for people, where there is such a field.
pub fn expected(field: &str) -> Option<String> {
    let names = || ExportFormat::ALL.map(ExportFormat::as_str).join(", ");
    (field == "format").then(|| format!("must be one of {}", names()))
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// The pictures as PNG, with what they were made from in them.
    Zip,
    /// An animation of at most 256 colours a picture.
    Gif,
    /// A lossless animation.
    Apng,
    /// A lossless animation, smaller.
    Webp,
    /// A video; needs ffmpeg on the server.
    Mp4,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Zip, Self::Gif, Self::Apng, Self::Webp, Self::Mp4];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Gif => "gif",
            Self::Apng => "apng",
            Self::Webp => "webp",
            Self::Mp4 => "mp4",
        }
    }

    /// How the file's name ends. An APNG is a PNG to whoever knows no animations.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Apng => "png",
            other => other.as_str(),
        }
    }

    /// What the file is, to browsers.
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

/// Asks for an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewExport {
    /// The kind of file.
    pub format: ExportFormat,
}

/// An export, from its request until its file is removed: by a person, by newer ones, by the server's next start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Export {
    /// Its id.
    pub id: ExportId,
    /// The project whose frames it has.
    pub project_id: ProjectId,
    /// The kind of file.
    pub format: ExportFormat,
    /// Where it stands.
    pub status: TaskStatus,
    /// Pictures that are written.
    pub done: u32,
    /// Pictures in all.
    pub total: u32,
    /// Frames that were left out, for they had no finished picture.
    pub skipped: u32,
    /// URL path of the file, when it is there.
    pub path: Option<String>,
    /// The file's size.
    pub bytes: Option<u64>,
    /// Why it failed.
    pub error: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
}
