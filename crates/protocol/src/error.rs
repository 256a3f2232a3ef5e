//! Errors for users, shown by the HTTP API, the server functions and the page.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A field of a request, with the reason why it was rejected or a warning about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct FieldError {
    /// The field's name as in the request.
    pub field: String,
    /// The reason and the limit, for users.
    pub message: String,
}

impl From<generation::FieldError> for FieldError {
    fn from(generation::FieldError { field, message }: generation::FieldError) -> Self {
        Self::new(field, message)
    }
}

impl FieldError {
    /// A field and the message about it.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Why a request was not carried out. Internal details are logged where they occur and never included here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "of")]
pub enum Problem {
    /// Invalid input, field by field. Nothing was stored.
    Invalid(Vec<FieldError>),
    /// The resource does not exist; the text names it ("project 7").
    NotFound(String),
    /// The resource is in a state that does not allow the request.
    Conflict(String),
    /// Temporarily unavailable: the database is busy, or the server is stopping.
    Unavailable(String),
    /// The server's disk is full.
    DiskFull(String),
    /// A fault of the server that its operator has to fix; the text describes it.
    Fault(String),
    /// Too many at present; the same request can be retried in some seconds.
    TooMany(String),
    /// An internal error; the log has the details.
    Internal,
}

impl Problem {
    /// A single bad field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// The field errors; empty for other kinds of problems.
    pub fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) => errors,
            _ => &[],
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(errors) => {
                for (i, FieldError { field, message }) in errors.iter().enumerate() {
                    if i > 0 {
                        f.write_str("; ")?;
                    }
                    write!(f, "{field}: {message}")?;
                }
                Ok(())
            }
            Self::NotFound(what) => write!(f, "there is no {what}"),
            Self::Conflict(why)
            | Self::Unavailable(why)
            | Self::DiskFull(why)
            | Self::Fault(why)
            | Self::TooMany(why) => f.write_str(why),
            Self::Internal => f.write_str("something went wrong on the server; its log says what"),
        }
    }
}

impl std::error::Error for Problem {}
