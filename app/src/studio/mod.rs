//! The studio: one project's page. The pure half (`state`, `cells`, `refresh`, `zoom`) is tested on its own. [`Store`]
//! owns the state as signals; views read it and send commands to it.

pub mod address;
pub mod cells;
mod controls;
pub mod form;
mod formation;
mod inspector;
mod on_demand;
mod panels;
#[cfg(feature = "browser")]
mod pictures;
pub mod progress_text;
pub mod refresh;
mod shell;
mod side_panels;
pub mod state;
mod store;
mod timeline;
mod viewer;
mod wall;
pub mod zoom;

pub use form::GenerationForm;
pub use shell::Studio;
pub use store::{StepPicture, Store};
