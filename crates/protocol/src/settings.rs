//! Settings of the whole server, for everyone who uses it.

use crate::{FieldError, PreviewMethod, Problem, generation::limits::PREVIEW_INTERVAL_MS};
use serde::{Deserialize, Serialize};

/// What becomes of tasks that were running when the server stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Interrupted {
    /// They are queued again, as a new attempt.
    #[default]
    Requeue,
    /// They are marked failed.
    Fail,
}

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Settings {
    /// How steps become previews when a generation does not say.
    pub preview_method: PreviewMethod,
    /// The least time between two previews, milliseconds; 0 is every step.
    pub preview_interval_ms: u32,
    /// What becomes of interrupted tasks at the next start.
    pub interrupted: Interrupted,
}

/// A change to the settings: absent fields stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    /// New preview method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_method: Option<PreviewMethod>,
    /// New least time between two previews, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *PREVIEW_INTERVAL_MS.start(), max = *PREVIEW_INTERVAL_MS.end())))]
    pub preview_interval_ms: Option<u32>,
    /// What becomes of interrupted tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interrupted>,
}

impl SettingsPatch {
    /// The settings with this change, or every field that is out of bounds.
    pub fn applied(self, to: Settings) -> Result<Settings, Problem> {
        if let Some(ms) = self.preview_interval_ms.filter(|ms| !PREVIEW_INTERVAL_MS.contains(ms)) {
            let rule = expected("preview_interval_ms").unwrap_or_default();
            let error = FieldError::new("preview_interval_ms", format!("{rule}, not {ms}"));
            return Err(Problem::Invalid(vec![error]));
        }
        Ok(Settings {
            preview_method: self.preview_method.unwrap_or(to.preview_method),
            preview_interval_ms: self.preview_interval_ms.unwrap_or(to.preview_interval_ms),
            interrupted: self.interrupted.unwrap_or(to.interrupted),
        })
    }
}

/// What a setting takes.
pub fn expected(field: &str) -> Option<String> {
    match field {
        "interrupted" => Some("must be one of requeue, fail".to_owned()),
        "preview_method" | "preview_interval_ms" => crate::generation::expected(field),
        _ => None,
    }
}
