//! The text of the forms, and what it asks for. The browser and the server parse it with the same functions, so that both
//! report the same errors.

mod generation;
mod library;
mod project;

pub use generation::{Draft, fields_with_errors};
pub use library::{Filter, LIBRARY_PAGE, Library};
pub use project::{CUSTOM, DEFAULT_FPS, PRESETS, Preset, ProjectDraft, rename_refused};
