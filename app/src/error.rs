//! The error of a server function: a [`Problem`], and the form's typed text.

use leptos::server_fn::{
    codec::JsonEncoding,
    error::{FromServerFnError, ServerFnErrorErr},
};
use protocol::Problem;
use serde::{Deserialize, Serialize};

/// The error of a server function. A form that was posted without script is rendered again as a new page, so the error
/// carries the typed text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppError {
    /// The reason.
    pub problem: Problem,
    /// The posted fields: name and typed text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<(String, String)>,
}

impl AppError {
    /// The typed text of a field, if the form is rendered again.
    pub fn kept(&self, field: &str) -> Option<&str> {
        self.kept.iter().find(|(name, _)| name == field).map(|(_, text)| text.as_str())
    }

    /// The error of a field.
    pub fn at_field(&self, field: &str) -> Option<&str> {
        self.problem.field_errors().iter().find(|error| error.field == field).map(|error| error.message.as_str())
    }
}

impl AppError {
    /// The first error that belongs to none of the shown fields, as one line.
    pub fn beside_fields(&self, shown: &[&str]) -> Option<String> {
        match &self.problem {
            Problem::Invalid(errors) => errors
                .iter()
                .find(|error| !shown.contains(&error.field.as_str()))
                .map(|error| format!("{}: {}", error.field, error.message)),
            problem => Some(problem.to_string()),
        }
    }
}

impl From<Problem> for AppError {
    fn from(problem: Problem) -> Self {
        Self { problem, kept: Vec::new() }
    }
}

impl FromServerFnError for AppError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => {
                Problem::Unavailable("can't reach the server; the change is not saved".to_owned())
            }
            ServerFnErrorErr::Args(why) | ServerFnErrorErr::MissingArg(why) | ServerFnErrorErr::Serialization(why) => {
                Problem::invalid("request", why)
            }
            // Errors between browser and server, mostly a version mismatch.
            _ => Problem::Internal,
        }
        .into()
    }
}

/// Code that is loaded when it is needed could not be loaded.
#[cfg(feature = "split")]
impl From<leptos::wasm_split::SplitLoaderError> for AppError {
    fn from(_: leptos::wasm_split::SplitLoaderError) -> Self {
        Self::from_server_fn_error(ServerFnErrorErr::Request(String::new()))
    }
}

/// The HTTP status of a problem.
pub fn status(problem: &Problem) -> u16 {
    match problem {
        Problem::Invalid(_) => 422,
        Problem::NotFound(_) => 404,
        Problem::Conflict(_) => 409,
        Problem::TooMany(_) => 429,
        Problem::Unavailable(_) => 503,
        Problem::DiskFull(_) => 507,
        Problem::Fault(_) | Problem::Internal => 500,
    }
}

/// A message as a sentence: first letter in upper case, full stop at the end.
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_address_bar_with_what_was_typed() {
        let error = AppError {
            problem: Problem::invalid("width", "must be a multiple of 8 from 64 to 2048, not 7"),
            kept: vec![("name".into(), "<b>\"龍\" & co</b>".into()), ("width".into(), "7".into())],
        };
        assert_eq!(AppError::de(error.ser()), error);
        assert_eq!(error.kept("width"), Some("7"));
        assert_eq!(error.kept("height"), None);
        assert_eq!(error.at_field("width"), Some("must be a multiple of 8 from 64 to 2048, not 7"));
        assert_eq!(error.at_field("name"), None);
    }

    #[test]
    fn garbage_in_the_address_bar_is_an_error_and_no_panic() {
        for garbage in ["", "{", "{\"problem\":7}", "\u{0}"] {
            assert_eq!(AppError::de(garbage.to_owned().into()).problem, Problem::Internal);
        }
    }

    #[test]
    fn sentences_begin_and_end_as_sentences() {
        assert_eq!(sentence("there is no project 7"), "There is no project 7.");
        assert_eq!(sentence("Was it you?"), "Was it you?");
        assert_eq!(sentence(""), ".");
    }
}
