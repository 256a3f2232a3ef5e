//! Styles: named snippets that are added to the prompts of a generation.

use crate::{FieldError, Problem, StyleId};
use ::generation::{Value, rule};
use serde::{Deserialize, Serialize};

/// Maximum number of styles in one generation.
pub const STYLES: usize = 32;
/// Maximum number of styles in one imported file.
pub const IMPORTED_STYLES: usize = 5000;

/// A style.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Style {
    /// Its id.
    pub id: StyleId,
    /// Its name, which no other style has.
    pub name: String,
    /// What it adds to the prompt. `{prompt}` is replaced with the prompt; without it, the style follows the prompt.
    pub prompt: String,
    /// What it adds to the negative prompt, by the same rule.
    pub negative_prompt: String,
}

/// The data of a new style.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewStyle {
    /// 1 to 120 characters after trimming.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = *crate::project::limits::NAME_CHARS.end())))]
    pub name: String,
    /// What it adds to the prompt.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(length(max = ::generation::limits::PROMPT_CHARS)))]
    pub prompt: String,
    /// What it adds to the negative prompt.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(length(max = ::generation::limits::PROMPT_CHARS)))]
    pub negative_prompt: String,
}

/// A change to a style. Absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct StylePatch {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(min = 1, max = *crate::project::limits::NAME_CHARS.end())))]
    pub name: Option<String>,
    /// New snippet for the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = ::generation::limits::PROMPT_CHARS)))]
    pub prompt: Option<String>,
    /// New snippet for the negative prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = ::generation::limits::PROMPT_CHARS)))]
    pub negative_prompt: Option<String>,
}

/// The body of `POST /styles/import`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StyleImport {
    /// The text of A1111's `styles.csv`.
    #[cfg_attr(feature = "openapi", schemars(length(min = 1)))]
    pub csv: String,
}

/// The rule of a style's field, for values that do not even have the field's type (a number as name).
pub fn expected(field: &str) -> Option<String> {
    match field {
        "name" => crate::project::expected(field),
        "prompt" | "negative_prompt" => rule("negative_prompt").map(|rule| rule.expected()),
        "csv" => Some("must be the text of a CSV file".to_owned()),
        _ => None,
    }
}

impl NewStyle {
    /// Returns the style as it will be stored (name trimmed), or an error for every field that breaks its rule.
    ///
    /// # Errors
    /// [`Problem::Invalid`] with every such field.
    pub fn validated(self) -> Result<Self, Problem> {
        let Self { name, prompt, negative_prompt } = self;
        let patch = StylePatch { name: Some(name), prompt: Some(prompt), negative_prompt: Some(negative_prompt) }
            .validated()?;
        Ok(Self {
            name: patch.name.unwrap_or_default(),
            prompt: patch.prompt.unwrap_or_default(),
            negative_prompt: patch.negative_prompt.unwrap_or_default(),
        })
    }
}

impl StylePatch {
    /// Returns the change as it will be stored (name trimmed), or an error for every field that breaks its rule.
    ///
    /// # Errors
    /// [`Problem::Invalid`] with every such field.
    pub fn validated(mut self) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        if let Some(name) = &mut self.name {
            *name = name.trim().to_owned();
            errors.extend(crate::project::name_error(name));
        }
        for (field, text) in [("prompt", &self.prompt), ("negative_prompt", &self.negative_prompt)] {
            // Both have the rule of the negative prompt, which may be empty.
            let message = text.as_deref().and_then(|text| rule("negative_prompt")?.check(Value::Text(text)));
            errors.extend(message.map(|message| FieldError::new(field, message)));
        }
        if errors.is_empty() { Ok(self) } else { Err(Problem::Invalid(errors)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::generation::limits::PROMPT_CHARS;

    #[test]
    fn every_bad_field_is_named_at_once() {
        let long = "x".repeat(PROMPT_CHARS + 1);
        let bad = NewStyle { name: " ".into(), prompt: long, negative_prompt: "\0".into() }.validated();
        let problem = bad.expect_err("out of bounds");
        let fields: Vec<_> = problem.field_errors().iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["name", "prompt", "negative_prompt"]);
        let good = NewStyle { name: " Oil \n".into(), ..NewStyle::default() }.validated().expect("good");
        assert_eq!(good.name, "Oil");
    }
}
