//! The forms: their fields, what a field's text means, and how a rejected form comes back. The browser and the server
//! parse a form with the same functions, so that both report the same errors.

pub mod field;
mod generation;
pub mod project;
mod project_form;
mod size_picker;

pub use field::{Field, Notice, Number, focus_first_invalid, focus_when_invalid};
pub use generation::{GenerationForm, view::method_label};
pub use project::{CUSTOM, DEFAULT_FPS, PRESETS, Preset, ProjectDraft, rename_refused};
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
