//! The theme.

mod set;

pub use set::{SetTheme, set_theme};
