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

/// What is kept of how a picture formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TraceLevel {
    /// Nothing.
    Off,
    /// The estimate of each step, as a small picture: about 20 kB a step at 1024 x 1024 pixels.
    #[default]
    Looking,
    /// Also the sampler's state at each step, from which a new take can branch: 0.3 to 1.3 MB more a step at 1024 x 1024
    /// pixels.
    All,
}

/// Limits of the settings of traces, MiB.
pub const TRACE_MIB: RangeInclusive<u32> = 1..=1_048_576;

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
    /// What is kept of how pictures form. Applies to tasks that start later.
    #[serde(default)]
    pub trace: TraceLevel,
    /// Most space for the trace of one take, MiB. Later steps are left out of it.
    #[serde(default = "trace_take_mib")]
    pub trace_take_mib: u32,
    /// Most space for the traces of one project, MiB. The oldest are removed.
    #[serde(default = "trace_project_mib")]
    pub trace_project_mib: u32,
    /// Most space for all traces, MiB. The oldest are removed.
    #[serde(default = "trace_total_mib")]
    pub trace_total_mib: u32,
}

/// Stored settings of earlier versions lack the number.
fn one() -> u8 {
    1
}

fn trace_take_mib() -> u32 {
    256
}

fn trace_project_mib() -> u32 {
    2048
}

fn trace_total_mib() -> u32 {
    8192
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preview_method: PreviewMethod::default(),
            preview_interval_ms: 0,
            interrupted: Interrupted::default(),
            models_in_memory: one(),
            trace: TraceLevel::default(),
            trace_take_mib: trace_take_mib(),
            trace_project_mib: trace_project_mib(),
            trace_total_mib: trace_total_mib(),
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
    /// What is kept of how pictures form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceLevel>,
    /// New limit for the trace of one take, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *TRACE_MIB.start(), max = *TRACE_MIB.end())))]
    pub trace_take_mib: Option<u32>,
    /// New limit for the traces of one project, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *TRACE_MIB.start(), max = *TRACE_MIB.end())))]
    pub trace_project_mib: Option<u32>,
    /// New limit for all traces, MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *TRACE_MIB.start(), max = *TRACE_MIB.end())))]
    pub trace_total_mib: Option<u32>,
}

impl SettingsPatch {
    /// Returns the settings with this change, or an error for every field that is out of range.
    pub fn applied(self, to: Settings) -> Result<Settings, Problem> {
        let models = u32::from(*MODELS_IN_MEMORY.start())..=u32::from(*MODELS_IN_MEMORY.end());
        let numbers = [
            ("preview_interval_ms", self.preview_interval_ms, PREVIEW_INTERVAL_MS),
            ("models_in_memory", self.models_in_memory.map(u32::from), models),
            ("trace_take_mib", self.trace_take_mib, TRACE_MIB),
            ("trace_project_mib", self.trace_project_mib, TRACE_MIB),
            ("trace_total_mib", self.trace_total_mib, TRACE_MIB),
        ];
        let error = |(field, value, limits): (&str, Option<u32>, RangeInclusive<u32>)| {
            let value = value.filter(|value| !limits.contains(value))?;
            Some(FieldError::new(field, format!("{}, not {value}", expected(field).unwrap_or_default())))
        };
        let errors: Vec<FieldError> = numbers.into_iter().filter_map(error).collect();
        if !errors.is_empty() {
            return Err(Problem::Invalid(errors));
        }
        Ok(Settings {
            preview_method: self.preview_method.unwrap_or(to.preview_method),
            preview_interval_ms: self.preview_interval_ms.unwrap_or(to.preview_interval_ms),
            interrupted: self.interrupted.unwrap_or(to.interrupted),
            models_in_memory: self.models_in_memory.unwrap_or(to.models_in_memory),
            trace: self.trace.unwrap_or(to.trace),
            trace_take_mib: self.trace_take_mib.unwrap_or(to.trace_take_mib),
            trace_project_mib: self.trace_project_mib.unwrap_or(to.trace_project_mib),
            trace_total_mib: self.trace_total_mib.unwrap_or(to.trace_total_mib),
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
        "trace" => Some("must be one of off, looking, all".to_owned()),
        "trace_take_mib" | "trace_project_mib" | "trace_total_mib" => {
            Some(format!("must be a whole number from {} to {}", TRACE_MIB.start(), TRACE_MIB.end()))
        }
        "preview_method" | "preview_interval_ms" => crate::generation::expected(field),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_an_earlier_version_get_the_defaults_of_traces() {
        let stored = r#"{"preview_method": "taesd", "preview_interval_ms": 250, "interrupted": "fail"}"#;
        let settings: Settings = serde_json::from_str(stored).expect("readable");
        let expected = Settings {
            preview_method: PreviewMethod::Taesd,
            preview_interval_ms: 250,
            interrupted: Interrupted::Fail,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
        assert_eq!((settings.trace, settings.trace_take_mib), (TraceLevel::Looking, 256));
    }

    #[test]
    fn every_number_out_of_range_is_named() {
        let patch = SettingsPatch {
            preview_interval_ms: Some(2001),
            trace_take_mib: Some(0),
            trace_total_mib: Some(u32::MAX),
            ..SettingsPatch::default()
        };
        let problem = patch.applied(Settings::default()).expect_err("out of range");
        let fields: Vec<_> = problem.field_errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["preview_interval_ms", "trace_take_mib", "trace_total_mib"]);
        assert_eq!(problem.field_errors()[1].message, "must be a whole number from 1 to 1048576, not 0");
    }
}
