//! The studio: one project's page. Its state is pure (`state`, `refresh`, `draft`, `zoom`), its owner is
//! [`Store`], its views only show the one and tell the other.

mod act;
pub mod address;
pub mod draft;
mod form;
mod inspector;
mod panels;
mod panes;
#[cfg(feature = "browser")]
mod pictures;
pub mod refresh;
mod shell;
pub mod state;
mod store;
mod strip;
mod viewer;
mod words;
pub mod zoom;

pub use shell::Studio;
pub use store::Store;
