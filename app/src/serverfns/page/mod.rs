//! Whole pages.

mod get;

pub use get::{GetPage, get_page};
