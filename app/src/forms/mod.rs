//! Forms: their fields, their requests, and how a rejected form comes back. `drafts` parses their text.

pub mod action;
pub mod field;
mod project_form;
mod size_picker;

pub use action::FormAction;
pub use field::{Field, Notice, Number, focus_first_invalid, focus_when_invalid};
pub use project_form::ProjectForm;

use crate::error::AppError;
use leptos::{prelude::*, server_fn::error::ServerFnUrlError};

/// The error of a form that was posted to this path without script. The server redirects back to the page with the error
/// in the address.
pub fn posted_error(path: &str) -> Option<AppError> {
    use_context::<ServerActionError>()
        .filter(|error| error.path() == path)
        .map(|error| ServerFnUrlError::<AppError>::decode_err(error.err()))
}
