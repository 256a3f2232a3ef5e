//! A project's whole page.

mod get;

pub use get::{GetStudio, get_studio};
