//! Errors for people: what the HTTP API, the server functions and the page all show.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One field of a request, and why it is refused or what a person should know about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct FieldError {
    /// The field's name as the request spells it.
    pub field: String,
    /// The reason and the limit, for a person.
    pub message: String,
}

impl FieldError {
    /// A field and what is wrong with it.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Why a request was not carried out. Internals are logged where they happen and never put in here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "of")]
pub enum Problem {
    /// Bad input, field by field; nothing was stored.
    Invalid(Vec<FieldError>),
    /// There is no such thing; names it ("project 7").
    NotFound(String),
    /// The thing is not in a state in which this can be done.
    Conflict(String),
    /// Not now: the database is busy, the server is stopping.
    Unavailable(String),
    /// There is no room on the server's disk.
    DiskFull(String),
    /// A fault of the server's own that whoever runs it has to see to; says which.
    Fault(String),
    /// There are too many of them now; the same request can be made again in some seconds.
    TooMany(String),
    /// A fault of the server's own; the log has it.
    Internal,
}

impl Problem {
    /// A single bad field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// The field errors, empty where the problem is another.
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
