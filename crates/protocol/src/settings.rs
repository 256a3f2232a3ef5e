//! Settings of the whole server, shared by all its users.

use crate::{FieldError, PreviewMethod, Problem, generation::limits::PREVIEW_INTERVAL_MS};
use serde::{Deserialize, Serialize};

/// What happens to tasks that were running when the server stopped.
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
    /// Preview method of generations that do not specify one.
    pub preview_method: PreviewMethod,
    /// Minimum time between two previews in milliseconds; 0 means every step.
    pub preview_interval_ms: u32,
    /// What happens to interrupted tasks at the next start.
    pub interrupted: Interrupted,
}

/// A change to the settings. Absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    /// New preview method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_method: Option<PreviewMethod>,
    /// New minimum time between two previews, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *PREVIEW_INTERVAL_MS.start(), max = *PREVIEW_INTERVAL_MS.end())))]
    pub preview_interval_ms: Option<u32>,
    /// What happens to interrupted tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interrupted>,
}

impl SettingsPatch {
    /// Returns the settings with this change, or an error for every field that is out of range.
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

/// The rule of a setting, for users; `None` for unknown settings.
pub fn expected(field: &str) -> Option<String> {
    match field {
        "interrupted" => Some("must be one of requeue, fail".to_owned()),
        "preview_method" | "preview_interval_ms" => crate::generation::expected(field),
        _ => None,
    }
}
