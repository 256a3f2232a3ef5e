//! The server's settings.

mod update;

pub use update::{UpdateSettings, update_settings};
