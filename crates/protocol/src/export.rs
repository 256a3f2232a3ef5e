//! Exports: a project's sequence as a single file.

use crate::{ExportId, ProjectId, TaskStatus};
use serde::{Deserialize, Serialize};

/// The rule of a field, for users; `None` for unknown fields.
pub fn expected(field: &str) -> Option<String> {
    let names = || ExportFormat::ALL.map(ExportFormat::as_str).join(", ");
    (field == "format").then(|| format!("must be one of {}", names()))
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

/// Requests an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewExport {
    /// The file format.
    pub format: ExportFormat,
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
