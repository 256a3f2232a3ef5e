//! Models.

mod list;

pub use list::{ListModels, list_models};
