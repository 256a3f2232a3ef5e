//! `/metrics`.

pub mod read;
