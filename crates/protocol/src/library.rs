//! The library: files in the folders of `--models`, with what is known about each.

use crate::{FieldError, Problem, Recommended, Sampler, Schedule};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, fmt, str::FromStr};

/// The mark of a file that is not distilled although it looks as if it were.
pub const NOT_DISTILLED: &str = "none";

/// Maximum length of a title, in characters.
pub const MARK_CHARS: usize = 120;

/// Id of a file in the library: 16 hexadecimal digits that depend on its folder and its path in it. A rescan or a
/// restart does not change it; moving the file does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(transparent)]
pub struct LibraryId(pub String);

impl fmt::Display for LibraryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LibraryId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// What a file of the library is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LibraryKind {
    /// A model: a single file or a diffusers folder.
    Checkpoint,
    /// Additions to a model's weights: LoRA, LoHa, LoKr and others.
    Lora,
    /// A word for prompts, as vectors (textual inversion).
    Embedding,
    /// A VAE.
    Vae,
    /// A network that enlarges pictures.
    Upscaler,
}

impl LibraryKind {
    /// All kinds, in the order of the list.
    pub const ALL: [Self; 5] = [Self::Checkpoint, Self::Lora, Self::Embedding, Self::Vae, Self::Upscaler];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Lora => "lora",
            Self::Embedding => "embedding",
            Self::Vae => "vae",
            Self::Upscaler => "upscaler",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Hashes of a file, in lower-case hexadecimal digits. They are computed in the background; null until then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct FileHashes {
    /// SHA-256 of the whole file, 64 digits.
    pub sha256: Option<String>,
    /// AutoV2: the first 10 digits of `sha256`.
    pub auto_v2: Option<String>,
    /// AutoV3: the first 12 digits of the SHA-256 of a safetensors or GGUF file behind its header. A LoRA keeps it when its
    /// metadata is edited.
    pub auto_v3: Option<String>,
}

/// A distilled model or LoRA, and the settings that it needs. One click applies them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LibraryDistillation {
    /// The method's name, such as `lightning`.
    pub name: String,
    /// The method's name for users, such as `Lightning, 8 steps`.
    pub title: String,
    /// Whether a user marked the file. False if it was recognised from its metadata or its name.
    pub is_marked: bool,
    /// Sampling steps.
    pub steps: u32,
    /// Sampling method.
    pub sampler: Sampler,
    /// Noise schedule.
    pub scheduler: Schedule,
    /// Guidance scale; 1 means no guidance.
    pub cfg_scale: f64,
}

/// A file or a diffusers folder of the library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct LibraryItem {
    /// Its id.
    pub id: LibraryId,
    /// What it is for.
    pub kind: LibraryKind,
    /// The name that a generation uses for it (`model`, `loras[].name`, a word of the prompt). Unique among the files
    /// of its kind.
    pub name: String,
    /// The folder of `--models` that it is in.
    pub folder: String,
    /// Its path inside that folder, with `/` separators.
    pub file: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of its last change, milliseconds since 1970.
    pub modified_ms: i64,
    /// Title for users: a user's own, or the one in its metadata.
    pub title: Option<String>,
    /// Author, from its metadata.
    pub author: Option<String>,
    /// Family of models, such as `sdxl`, `sdxl v-prediction` or `ssd-1b`; null if unknown.
    pub family: Option<String>,
    /// The model that it was trained on, from its metadata.
    pub base: Option<String>,
    /// What it consists of: a LoRA's method and rank, such as `LoRA, rank 32`, or an embedding's number of vectors.
    pub details: Option<String>,
    /// Memory that a picture of the model's own size needs with this checkpoint, in bytes; null if unknown.
    pub memory_bytes: Option<u64>,
    /// Words that the prompt needs for it, from its metadata: the most frequent first.
    pub trigger_words: Vec<String>,
    /// Its hashes.
    pub hashes: FileHashes,
    /// Whether a user marked it as a favourite.
    pub favourite: bool,
    /// Set if it is distilled: a few steps without guidance.
    pub distillation: Option<LibraryDistillation>,
    /// URL path of its thumbnail: a preview file beside it, or the newest picture made with it. Null if there is none.
    pub thumbnail: Option<String>,
    /// Number of finished pictures made with it that still exist.
    pub takes: u64,
    /// A checkpoint's recommended settings.
    pub recommended: Option<Recommended>,
    /// Whether it is in memory.
    pub loaded: bool,
    /// Why it cannot be used, in one line; null if it can.
    pub problem: Option<String>,
}

/// State of the whole library.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LibraryStatus {
    /// Grows with each change of the list, within one run of the server.
    pub revision: u64,
    /// Grows with each change of the list except new hashes, within one run of the server. Hashing thousands of files changes
    /// `revision` for minutes and nothing that is shown about a file in use.
    #[serde(default)]
    pub files_revision: u64,
    /// Whether the folders are being scanned. The list may be incomplete until it is false.
    pub scanning: bool,
    /// The folders of `--models`. Empty if the server has no library.
    pub folders: Vec<String>,
    /// Folders that cannot be read, each with the reason.
    pub problems: Vec<String>,
    /// Number of files.
    pub items: u64,
    /// Number of files that cannot be used.
    pub refused: u64,
    /// Number of files whose hashes are not computed yet.
    pub unhashed: u64,
}

/// A part of the library's list, with the library's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LibraryPage {
    /// The files that match, sorted by kind and name.
    pub items: Vec<LibraryItem>,
    /// Number of files that match, on all pages.
    pub matching: u64,
    /// The library's state.
    pub status: LibraryStatus,
}

impl LibraryItem {
    /// Its place in the list, for pagination: kind and name.
    pub fn place(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.name)
    }
}

/// A change to a file's marks. Absent fields stay unchanged. The file itself never changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct LibraryPatch {
    /// Whether it is a favourite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub favourite: Option<bool>,
    /// The distillation's name; an empty text removes the mark, and `none` says that the file is not distilled although
    /// it looks as if it were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = distillation_marks())))]
    pub distillation: Option<String>,
    /// Its title; an empty text removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = MARK_CHARS), extend("pattern" = r"^[^\x00-\x1f\x7f-\x9f]*$")))]
    pub title: Option<String>,
}

impl LibraryPatch {
    /// Returns the patch, or an error for each field that breaks its rule.
    pub fn validated(self) -> Result<Self, Problem> {
        let is_name = |name: &str| {
            let name = name.trim();
            name.is_empty() || name == NOT_DISTILLED || name.parse::<generation::Distillation>().is_ok()
        };
        let is_line = |text: &str| text.chars().count() <= MARK_CHARS && !text.contains(char::is_control);
        let is_good = [
            ("distillation", self.distillation.as_deref().is_none_or(is_name)),
            ("title", self.title.as_deref().is_none_or(is_line)),
        ];
        let errors: Vec<_> = is_good
            .into_iter()
            .filter(|(_, is_good)| !is_good)
            .map(|(field, _)| FieldError::new(field, expected(field).unwrap_or_default()))
            .collect();
        if errors.is_empty() { Ok(self) } else { Err(Problem::Invalid(errors)) }
    }
}

/// The values of [`LibraryPatch::distillation`], for its schema.
#[cfg(feature = "openapi")]
fn distillation_marks() -> Vec<Option<&'static str>> {
    let names = generation::Distillation::NAMES.iter().copied();
    names.chain([NOT_DISTILLED, ""]).map(Some).chain([None]).collect()
}

/// The rule of a field of [`LibraryPatch`], for users; `None` for unknown fields.
pub fn expected(field: &str) -> Option<String> {
    match field {
        "favourite" => Some("must be true or false".to_owned()),
        "distillation" => {
            Some(format!("must be one of {}, {NOT_DISTILLED}, or empty", generation::Distillation::NAMES.join(", ")))
        }
        "title" => Some(format!("must be a text of at most {MARK_CHARS} characters in one line")),
        _ => None,
    }
}

/// Address of a file's thumbnail. `version` changes with the picture.
pub fn thumbnail_path(id: &LibraryId, version: &str) -> String {
    crate::url_path(&format!("/api/v1/library/{id}/thumbnail?v={version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_back_and_match_the_wire() {
        for kind in LibraryKind::ALL {
            assert_eq!(LibraryKind::from_name(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_string(&kind).expect("serializes"), format!("\"{}\"", kind.as_str()));
        }
    }

    #[test]
    fn marks_are_short_and_in_one_line() {
        let patch = |title: &str| LibraryPatch { title: Some(title.to_owned()), ..LibraryPatch::default() };
        assert!(patch(&"é".repeat(MARK_CHARS)).validated().is_ok());
        assert!(patch("").validated().is_ok());
        for bad in ["a\nb", &"a".repeat(MARK_CHARS + 1)] {
            let Err(Problem::Invalid(errors)) = patch(bad).validated() else { panic!("{bad:?} is accepted") };
            assert_eq!(errors[0].field, "title");
        }
    }

    #[test]
    fn a_distillation_is_a_name_that_is_known() {
        let patch = |name: &str| LibraryPatch { distillation: Some(name.to_owned()), ..LibraryPatch::default() };
        for good in ["", "none", "lightning-8", " dmd2 "] {
            assert!(patch(good).validated().is_ok(), "{good:?}");
        }
        let Err(Problem::Invalid(errors)) = patch("lightening").validated() else { panic!("it is accepted") };
        assert_eq!(errors[0].field, "distillation");
        assert!(errors[0].message.starts_with("must be one of lightning-2, "), "{}", errors[0].message);
    }
}
