//! Settings of the whole server, shared by all its users.

use crate::{FieldError, PreviewMethod, Problem, generation::limits::PREVIEW_INTERVAL_MS};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Limits of the number of models in memory.
pub const MODELS_IN_MEMORY: RangeInclusive<u8> = 1..=16;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Settings {
    /// Preview method of generations that do not specify one.
    pub preview_method: PreviewMethod,
    /// Minimum time between two previews in milliseconds; 0 means every step.
    pub preview_interval_ms: u32,
    /// What happens to interrupted tasks at the next start.
    pub interrupted: Interrupted,
    /// Maximum number of models in memory at the same time. A server that was started with `--models-in-memory` has that
    /// number instead.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *MODELS_IN_MEMORY.start(), max = *MODELS_IN_MEMORY.end())))]
    pub models_in_memory: u8,
}

/// Stored settings of earlier versions lack the number.
fn one() -> u8 {
    1
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preview_method: PreviewMethod::default(),
            preview_interval_ms: 0,
            interrupted: Interrupted::default(),
            models_in_memory: one(),
        }
    }
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
    /// New maximum number of models in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *MODELS_IN_MEMORY.start(), max = *MODELS_IN_MEMORY.end())))]
    pub models_in_memory: Option<u8>,
}

impl SettingsPatch {
    /// Returns the settings with this change, or an error for every field that is out of range.
    pub fn applied(self, to: Settings) -> Result<Settings, Problem> {
        let ms = self.preview_interval_ms.filter(|ms| !PREVIEW_INTERVAL_MS.contains(ms));
        let models = self.models_in_memory.filter(|models| !MODELS_IN_MEMORY.contains(models));
        let error =
            |field, value: u32| FieldError::new(field, format!("{}, not {value}", expected(field).unwrap_or_default()));
        let errors = ms.map(|ms| error("preview_interval_ms", ms)).into_iter();
        let errors: Vec<_> = errors.chain(models.map(|models| error("models_in_memory", models.into()))).collect();
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        Ok(Settings {
            preview_method: self.preview_method.unwrap_or(to.preview_method),
            preview_interval_ms: self.preview_interval_ms.unwrap_or(to.preview_interval_ms),
            interrupted: self.interrupted.unwrap_or(to.interrupted),
            models_in_memory: self.models_in_memory.unwrap_or(to.models_in_memory),
        })
    }
}

/// The rule of a setting, for users; `None` for unknown settings.
pub fn expected(field: &str) -> Option<String> {
    match field {
        "interrupted" => Some("must be one of requeue, fail".to_owned()),
        "models_in_memory" => {
            Some(format!("must be a whole number from {} to {}", MODELS_IN_MEMORY.start(), MODELS_IN_MEMORY.end()))
        }
        "preview_method" | "preview_interval_ms" => crate::generation::expected(field),
        _ => None,
    }
}
