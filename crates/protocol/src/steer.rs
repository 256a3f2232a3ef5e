//! Changing a task before its picture is finished.

use crate::{FieldError, generation::prompt_errors};
use ::generation::{TrackChange, Value, limits, rule};
use serde::{Deserialize, Serialize};

/// The body of `PATCH /tasks/{id}`. A running task changes before its next step. Absent fields stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TaskPatch {
    /// Prompt. It names the same LoRA files as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::PROMPT_CHARS)))]
    pub prompt: Option<String>,
    /// Negative prompt; may be empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = limits::PROMPT_CHARS)))]
    pub negative_prompt: Option<String>,
    /// Guidance scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::CFG_SCALE.start(), max = *limits::CFG_SCALE.end())))]
    pub cfg_scale: Option<f64>,
    /// Share of the initial picture that is redrawn. Only before the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::STRENGTH.start(), max = *limits::STRENGTH.end())))]
    pub strength: Option<f64>,
    /// Number of steps in which the rest is done, at most as many as are left. Only after the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = *limits::STEPS.start(), max = *limits::STEPS.end())))]
    pub finish_in: Option<u32>,
}

impl TaskPatch {
    /// The change of the run, after no step, with trimmed prompts.
    pub fn change(&self) -> TrackChange {
        let Self { cfg_scale, finish_in, .. } = *self;
        let trimmed = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_owned());
        let (prompt, negative_prompt) = (trimmed(&self.prompt), trimmed(&self.negative_prompt));
        TrackChange { step: 0, prompt, negative_prompt, cfg_scale, finish_in }
    }

    /// Errors of its fields.
    pub fn errors(&self) -> Vec<FieldError> {
        let own = self.change().errors().into_iter().map(|error| FieldError::new(error.field, error.message));
        let strength = self.strength.and_then(|value| rule("strength")?.error("strength", Value::Number(value)));
        let strength = strength.map(|error| FieldError::new(error.field, error.message));
        let mut errors: Vec<FieldError> = own.chain(strength).collect();
        if errors.is_empty() {
            errors = prompt_errors(self.prompt.as_deref(), self.negative_prompt.as_deref());
        }
        errors
    }
}

/// A field's rule as a phrase, for a value of the wrong type.
pub fn expected(field: &str) -> Option<String> {
    let (from, to) = (limits::STEPS.start(), limits::STEPS.end());
    match field {
        "finish_in" => Some(format!("must be a whole number from {from} to {to}")),
        _ => crate::generation::expected(field),
    }
}
