//! Why a model could not be loaded.

use crate::retry;
use std::error::Error;

/// Why a model could not be loaded, in words for users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NoPipeline {
    message: String,
    /// What a retry has to wait for, if the error is temporary.
    pub(crate) waits_for: Option<&'static str>,
}

impl NoPipeline {
    pub(super) fn new(message: String) -> Self {
        Self { message, waits_for: None }
    }

    /// The attempt was cancelled, or the server stops, before there was room for the model.
    pub(super) fn over() -> Self {
        Self { message: "no room for the model".to_owned(), waits_for: Some("room for a model") }
    }

    pub(super) fn because(name: &str, error: &(dyn Error + 'static)) -> Self {
        let message = format!("the model {name} cannot be loaded: {}", with_causes(error));
        Self { message, waits_for: retry::cause_waits_for(error) }
    }
}

/// An error and its causes in one line. Skips causes whose text is included already.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        cause = error.source();
    }
    text
}
